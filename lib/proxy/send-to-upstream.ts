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
  /** Emits `piece` for each received piece of an upload. */
  readonly body: Readable;
  /** Whether it may be sent twice, because it has no body and changes nothing (RFC 9110, section 9.2.1). */
  readonly isRepeatable: boolean;
  /** Returns whether the browser has sent its whole request. */
  isComplete(): boolean;
}

export interface UpstreamResponse {
  /** The response, after its head has arrived. Its body may still arrive. */
  readonly response: IncomingMessage;
  /** Ends the request, also in the middle of the response. */
  abort(): void;
}

/**
 * Sends a request to the upstream and waits for the head of the response. It follows no redirect, because the
 * token would be sent to the new URL.
 *
 * @param signal aborted when the browser no longer waits; the request to the upstream then ends as well
 * @throws PortalAuthError `upstream_unreachable`, `upstream_timeout`
 */
export type SendToUpstream = (
  upstreamRequest: UpstreamRequest,
  signal: AbortSignal,
) => Promise<UpstreamResponse>;

/**
 * How long an unused connection stays open. It is shorter than the timeout of servers (Node.js: 5 s), so that
 * no request uses a connection that is about to close.
 */
const IDLE_CONNECTION_MS = 4000;

/** Why there is no usable response. */
type UpstreamFailure = "upstream_unreachable" | "upstream_timeout";

/** The upstream closed a kept-alive connection when the request was sent, and has not read the request. */
class LostRequestError extends PortalAuthError {}

/**
 * Creates the function that sends requests to one upstream. It reuses connections. Their number is not
 * limited, because event streams stay open.
 */
export function createSendToUpstream(settings: ProxySettings): SendToUpstream {
  const isHttps = settings.upstream.protocol === "https:";
  const request = isHttps ? httpsRequest : httpRequest;
  const keepAliveAgent = new (isHttps ? HttpsAgent : HttpAgent)({
    keepAlive: true,
    timeout: IDLE_CONNECTION_MS,
  });
  const send = ({ method, target, headers }: UpstreamRequest, agent: HttpAgent | false) =>
    request(target, { agent, headers, ...(method !== undefined && { method }) });

  return async function sendToUpstream(upstreamRequest, signal) {
    signal.throwIfAborted();
    try {
      return await sendOnce(send(upstreamRequest, keepAliveAgent), upstreamRequest, signal, settings);
    } catch (error) {
      if (!(error instanceof LostRequestError && upstreamRequest.isRepeatable) || signal.aborted) throw error;
      // A new connection is used, because other kept-alive ones may be closed, too (RFC 9112, section 9.3.1).
      return sendOnce(
        send(upstreamRequest, false),
        { ...upstreamRequest, body: Readable.from([]) },
        signal,
        settings,
      );
    }
  };
}

/** Sends the body and waits for the head of the response. */
function sendOnce(
  clientRequest: ClientRequest,
  { body, isComplete }: UpstreamRequest,
  signal: AbortSignal,
  { timeoutMs, name }: ProxySettings,
): Promise<UpstreamResponse> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clientRequest.destroy();
    };
    const fail = (code: UpstreamFailure, problem: string, Failure = PortalAuthError) => {
      clearTimeout(timer);
      reject(new Failure(code, { detail: `${name}: ${problem}` }));
    };
    const timer = setTimeout(() => {
      fail("upstream_timeout", isComplete() ? "no response in time" : "the upload stalled");
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
      fail("upstream_unreachable", "the connection was closed before a response");
      body.unpipe(clientRequest);
      body.resume(); // the browser sends the rest of its upload before it reads the response
    });
    body.on("piece", () => timer.refresh());
    body.pipe(clientRequest);
  });
}

/**
 * Returns why a response cannot be forwarded; undefined if it can. Valid statuses are 200 to 599 (RFC 9110,
 * section 15). After most 1xx responses Node.js waits for the next one.
 */
function findResponseFault({ statusCode = 0, headers }: IncomingMessage): string | undefined {
  if (statusCode < 200 || statusCode > 599) return `answered with the status ${statusCode}`;
  return isUncodedOrChunked(headers) ? undefined : "answered in a transfer coding other than chunked";
}
