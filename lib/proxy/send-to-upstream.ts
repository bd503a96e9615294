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
import { isUncodedOrChunked } from "./forwarded-headers.js";
import type { ProxySettings } from "./resolve-proxy-options.js";

/** One request to the upstream. */
export interface UpstreamRequest {
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

export interface UpstreamResponse {
  /** Its head has come, its body is on the way. */
  readonly response: IncomingMessage;
  /** Ends the request, also in the middle of the answer. */
  abort(): void;
}

/**
 * Sends a request to the upstream and waits for the head of the answer. It follows no redirect, as the token would go along.
 *
 * @param left aborted when the browser no longer waits: this request ends then as well
 * @throws PortalAuthError `upstream_unreachable`, `upstream_timeout`
 */
export type SendToUpstream = (
  upstreamRequest: UpstreamRequest,
  signal: AbortSignal,
) => Promise<UpstreamResponse>;

/** Shorter than servers keep an unused connection (Node.js: 5 s), so that no request meets a closing one. */
const IDLE_CONNECTION_MS = 4000;

/** Why no usable answer has come. */
type UpstreamFailure = "upstream_unreachable" | "upstream_timeout";

/** The upstream closed a kept connection at the moment when the request was sent, which it then has not read. */
class LostRequestError extends PortalAuthError {}

/** Creates the function that asks one upstream. Connections are kept; their number is not limited, as event streams stay. */
export function createSendToUpstream(settings: ProxySettings): SendToUpstream {
  const isHttps = settings.upstream.protocol === "https:";
  const request = isHttps ? httpsRequest : httpRequest;
  const keepAliveAgent = new (isHttps ? HttpsAgent : HttpAgent)({
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
  });
  const send = ({ method, target, headers }: UpstreamRequest, agent: HttpAgent | false) =>
    request(target, { agent, headers, ...(method !== undefined && { method }) });

  return async function ask(upstreamRequest, signal) {
    signal.throwIfAborted();
    try {
      return await sendOnce(send(upstreamRequest, keepAliveAgent), upstreamRequest, signal, settings);
    } catch (error) {
      if (!(error instanceof LostRequestError && upstreamRequest.isRepeatable) || signal.aborted) throw error;
      // over a new connection: other kept ones may be closed as well (RFC 9112, section 9.3.1)
      return sendOnce(
        send(upstreamRequest, false),
        { ...upstreamRequest, body: Readable.from([]) },
        signal,
        settings,
      );
    }
  };
}

/** Sends the body and waits for the head of the answer. */
function sendOnce(
  clientRequest: ClientRequest,
  { body, isComplete }: UpstreamRequest,
  signal: AbortSignal,
  { timeoutMs, name }: ProxySettings,
): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    const abort = () => void clientRequest.destroy();
    const fail = (code: UpstreamFailure, problem: string, Failure = PortalAuthError) => {
      clearTimeout(timer);
      reject(new Failure(code, { detail: `${name}: ${problem}` }));
    };
    const timer = setTimeout(() => {
      fail("upstream_timeout", isComplete() ? "no answer in time" : "the upload stood still");
      abort();
    }, timeoutMs);
    signal.addEventListener("abort", abort, { once: true });
    clientRequest.on("error", ({ code, name: kind }: NodeJS.ErrnoException) => {
      const isLost = clientRequest.reusedSocket && (code === "ECONNRESET" || code === "EPIPE");
      fail("upstream_unreachable", code ?? kind, isLost ? LostRequestError : PortalAuthError);
    });
    clientRequest.once("response", (response) => {
      const fault = findResponseFault(response);
      if (fault === undefined) {
        clearTimeout(timer);
        resolve({ response, abort });
      } else {
        fail("upstream_unreachable", fault);
        abort();
      }
    });
    clientRequest.once("close", () => {
      fail("upstream_unreachable", "the connection broke off before an answer");
      body.unpipe(clientRequest);
      body.resume(); // the browser sends the rest of its upload before it reads the answer
    });
    body.on("piece", () => timer.refresh());
    body.pipe(clientRequest);
  });
}

/** What makes an answer unusable; undefined for one that can be forwarded. Node.js waits for another after most 1xx. */
function findResponseFault({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  if (statusCode < 200 || statusCode > 599) return `answered with the status ${statusCode}`; // RFC 9110, section 15
  return isUncodedOrChunked(headers) ? undefined : "answered in a transfer coding other than chunked";
}
