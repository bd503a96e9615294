import type { OutgoingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import type { Request } from "express";
import { getFreshSession, refreshRejectedTokenUnlessDown } from "../access/access-token.js";
import { getOrigin, type RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import { filterRequestHeaders, getBodyLengthHeader, isUncodedOrChunked } from "./forwarded-headers.js";
import type { ProxiedRequest } from "./proxied-request.js";
import { relayResponse } from "./relay-response.js";
import type { UpstreamResponse } from "./send-to-upstream.js";
import { startUpload, toStream, type Upload } from "./upload.js";
import { buildUpstreamUrl } from "./upstream-url.js";

/** The body of a request to the upstream, and the HTTP header that describes its length. */
interface ForwardedBody {
  readonly body: Readable;
  readonly length: OutgoingHttpHeaders | undefined;
}

const EMPTY_BODY = Buffer.alloc(0);

/** RFC 9110, section 9.2.1. */
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * Forwards the request to the upstream and relays the response. After a 401 it repeats the request once, with
 * a refreshed token.
 *
 * @throws PortalAuthError the failures that portalProxy() lists, before the response has started
 */
export async function forwardRequest(proxied: ProxiedRequest): Promise<void> {
  const { req, signal, router } = proxied;
  const target = resolveTarget(proxied);
  const length = getBodyLengthHeader(req.headers);
  // The upload starts before the first `await`: the body may already flow to another listener.
  const upload = length && startUpload(req);
  if (upload) signal.addEventListener("abort", () => upload.destroy());
  const session = await getFreshSession(router, req);
  const first = await sendWithToken(proxied, target, session, {
    body: upload ?? toStream(EMPTY_BODY),
    length,
  });
  const retry = first.response.statusCode === 401 ? await prepareRetry(proxied, session, upload) : undefined;
  if (!retry) return relayResponse(first.response, target, proxied);
  first.abort(); // no part of the first response has been relayed
  const second = await sendWithToken(proxied, target, retry.session, createBody(retry.sent));
  return relayResponse(second.response, target, proxied);
}

/** @throws PortalAuthError `proxy_request_refused` */
function resolveTarget({
  req: { method, headers },
  settings: { upstream, name, methods },
  requestedPath,
}: ProxiedRequest): URL {
  const createRejection = (problem: string) =>
    new PortalAuthError("proxy_request_refused", { detail: `${name}: ${problem}` });
  if (!methods.has(method))
    throw createRejection(`the method ${method}, which the option methods does not name`);
  if (/websocket/i.test(headers.upgrade ?? "")) throw createRejection("a WebSocket");
  if (!isUncodedOrChunked(headers)) throw createRejection("a body in a transfer coding other than chunked");
  const target = buildUpstreamUrl(upstream, requestedPath);
  if (!target) throw createRejection("an ambiguous path");
  return target;
}

function sendWithToken(
  proxied: ProxiedRequest,
  target: URL,
  { tokens }: PortalSession,
  { body, length }: ForwardedBody,
): Promise<UpstreamResponse> {
  const { req, signal, router, settings, sendToUpstream } = proxied;
  const headers = {
    ...filterRequestHeaders(req.headers, settings.requestHeaders),
    ...(settings.forwarded && createForwardedHeaders(req, router)),
    ...settings.headers,
    ...length,
    authorization: `Bearer ${tokens.access_token}`, // RFC 6750, section 2.1
  };
  const isRepeatable = length === undefined && SAFE_METHODS.includes(req.method);
  return sendToUpstream(
    { method: req.method, target, headers, body, isRepeatable, isComplete: () => req.complete },
    signal,
  );
}

/** The host and protocol are from the settings, because any client can send any Host header. */
function createForwardedHeaders({ ip }: Request, router: RouterContext): OutgoingHttpHeaders {
  const { host, protocol } = new URL(getOrigin(router));
  return {
    ...(ip !== undefined && { "x-forwarded-for": ip }),
    "x-forwarded-host": host,
    "x-forwarded-proto": protocol.slice(0, -1),
  };
}

/**
 * Refreshes a token that the upstream has rejected, and returns the sent body with the new session. Returns
 * undefined if the body was not buffered completely, or if there is no new token.
 */
async function prepareRetry(
  { req, router }: ProxiedRequest,
  rejected: PortalSession,
  upload: Upload | undefined,
) {
  const sent = upload ? await upload.whole : EMPTY_BODY;
  const session = sent && (await refreshRejectedTokenUnlessDown(router, req, rejected));
  return session && { sent, session };
}

const createBody = (sent: Buffer): ForwardedBody => ({
  body: toStream(sent),
  length: sent.length > 0 ? { "content-length": sent.length } : undefined,
});
