import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { isPlainlyChunked } from "./forwarded-headers.js";
import type { ProxySettings } from "./resolve-proxy-options.js";

/** One request to the upstream. */
export interface Question {
  readonly method: string | undefined;
  readonly target: URL;
  readonly headers: OutgoingHttpHeaders;
  /** Emits `piece` for each piece of an upload that has come. */
  readonly body: Readable;
  /** Whether the request has no body and changes nothing, so that it may be sent twice (RFC 9110, section 9.2.1). */
  readonly isRepeatable: boolean;
  /** Whether the browser has sent all of its request. */
  isComplete(): boolean;
}

export interface Reply {
  /** Its head has come, its body is on the way. */
  readonly answer: IncomingMessage;
  /** Ends the request, also in the middle of the answer. */
  giveUp(): void;
}

/**
 * Sends a request to the upstream and waits for the head of the answer. It follows no redirect, as the token would go along.
 *
 * @param left aborted when the browser no longer waits: this request ends then as well
 * @throws PortalAuthError `upstream_unreachable`, `upstream_timeout`
 */
export type Ask = (question: Question, left: AbortSignal) => Promise<Reply>;

/** Shorter than servers keep an unused connection (Node.js: 5 s), so that no request meets a closing one. */
const UNUSED_MS = 4000;

/** Why no usable answer has come. */
type NoAnswer = "upstream_unreachable" | "upstream_timeout";

/** The upstream closed a kept connection at the moment when the request was sent, which it then has not read. */
class LostRequest extends PortalAuthError {}

/** Creates the function that asks one upstream. Connections are kept; their number is not limited, as event streams stay. */
export function createAsk(settings: ProxySettings): Ask {
  const isHttps = settings.upstream.protocol === "https:";
  const request = isHttps ? httpsRequest : httpRequest;
  const kept = new (isHttps ? HttpsAgent : HttpAgent)({ keepAlive: true, timeout: UNUSED_MS });
  const send = ({ method, target, headers }: Question, agent: HttpAgent | false) =>
    request(target, { agent, headers, ...(method !== undefined && { method }) });

  return async function ask(question, left) {
    left.throwIfAborted();
    try {
      return await answerOf(send(question, kept), question, left, settings);
    } catch (error) {
      if (!(error instanceof LostRequest && question.isRepeatable) || left.aborted) throw error;
      // over a new connection: other kept ones may be closed as well (RFC 9112, section 9.3.1)
      return answerOf(send(question, false), { ...question, body: Readable.from([]) }, left, settings);
    }
  };
}

/** Sends the body and waits for the head of the answer. */
function answerOf(
  asking: ClientRequest,
  { body, isComplete }: Question,
  left: AbortSignal,
  { timeoutMs, name }: ProxySettings,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const giveUp = () => void asking.destroy();
    const fail = (code: NoAnswer, seen: string, Failure = PortalAuthError) => {
      clearTimeout(timer);
      reject(new Failure(code, { detail: `${name}: ${seen}` }));
    };
    const timer = setTimeout(() => {
      fail("upstream_timeout", isComplete() ? "no answer in time" : "the upload stood still");
      giveUp();
    }, timeoutMs);
    left.addEventListener("abort", giveUp, { once: true });
    asking.on("error", ({ code, name: kind }: NodeJS.ErrnoException) => {
      const isLost = asking.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
      fail("upstream_unreachable", code ?? kind, isLost ? LostRequest : PortalAuthError);
    });
    asking.once("response", (answer) => {
      const fault = faultOf(answer);
      if (fault === undefined) {
        clearTimeout(timer);
        resolve({ answer, giveUp });
      } else {
        fail("upstream_unreachable", fault);
        giveUp();
      }
    });
    asking.once("close", () => {
      fail("upstream_unreachable", "the connection broke off before an answer");
      body.unpipe(asking);
      body.resume(); // the browser sends the rest of its upload before it reads the answer
    });
    body.on("piece", () => timer.refresh());
    body.pipe(asking);
  });
}

/** What makes an answer unusable; undefined for one that can be forwarded. Node.js waits for another after most 1xx. */
function faultOf({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  if (statusCode < 200 || statusCode > 599) return `answered with the status ${statusCode}`; // RFC 9110, section 15
  return isPlainlyChunked(headers) ? undefined : "answered in a transfer coding other than chunked";
}
