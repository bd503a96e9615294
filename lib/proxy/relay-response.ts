import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { logFailure } from "../answer/log.js";
import { BEARER_CHALLENGE, PortalAuthError } from "../errors/portal-auth-error.js";
import { filterResponseHeaders, hasApplicationPrecedence } from "./forwarded-headers.js";
import type { ProxiedRequest } from "./proxied-request.js";
import { rewriteLocation } from "./upstream-url.js";

const EMPTY_CHUNK = Buffer.alloc(0);

/**
 * Streams the upstream's response to the browser. If the response breaks off, the browser's connection is
 * cut, so that the body does not look complete.
 */
export async function relayResponse(
  response: IncomingMessage,
  target: URL,
  proxied: ProxiedRequest,
): Promise<void> {
  relayHead(response, target, proxied);
  const failure = await relayBody(response, proxied);
  const detail = `${proxied.settings.name}: the response broke off`;
  if (failure) logFailure(proxied.router.log, new PortalAuthError(failure, { detail }));
}

function relayHead(
  response: IncomingMessage,
  target: URL,
  { mount, req, res, settings }: ProxiedRequest,
): void {
  const { statusCode, headers } = response;
  res.statusCode = statusCode as number; // a response always has one
  for (const [name, value = ""] of Object.entries(filterResponseHeaders(headers, settings.responseHeaders)))
    if (!(hasApplicationPrecedence(name, settings.responseHeaders) && res.hasHeader(name)))
      res.setHeader(name, value);
  // With a Content-Length, some clients would wait for a body (RFC 9110, section 8.6).
  if (statusCode === 204) res.removeHeader("Content-Length");
  // The upstream knows the user by the token, but the browser's request has the session cookie.
  for (const name of [...parseHeaderNames(headers.vary), "Cookie"]) res.vary(name);
  const location = headers.location && rewriteLocation(headers.location, target, settings.upstream, mount);
  if (location) res.setHeader("Location", location);
  if (statusCode === 401) res.setHeader("WWW-Authenticate", BEARER_CHALLENGE);
  // The head is sent before the body, because an event stream may send nothing for a while.
  // res.flushHeaders() would write the head as UTF-8, which changes bytes that Node.js has read as Latin-1.
  if (hasBody(req.method, statusCode)) res.write(EMPTY_CHUNK);
}

/** Returns whether a response has a body (RFC 9110, section 6.4.1). */
const hasBody = (method: string, statusCode: number | undefined): boolean =>
  method !== "HEAD" && statusCode !== 204 && statusCode !== 304;

/** Parses a list of header names (RFC 9110, section 5.6.2). Invalid names are omitted. */
const parseHeaderNames = (names = ""): string[] =>
  names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => HEADER_NAME.test(name));

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Returns the failure of the upstream, if there is one. A browser that closes the connection ends both
 * streams. That is not a failure.
 */
async function relayBody(response: IncomingMessage, { res, signal, settings }: ProxiedRequest) {
  let failure: "upstream_unreachable" | "upstream_timeout" | undefined;
  const timer = setTimeout(() => {
    failure = "upstream_timeout";
    response.destroy(new Error("idle"));
  }, settings.idleTimeoutMs);
  response.once("error", () => {
    if (!signal.aborted) failure ??= "upstream_unreachable";
  });
  response.on("data", () => timer.refresh());
  await pipeline(response, res).catch(() => {}); // the error does not show which side failed first
  clearTimeout(timer);
  return failure;
}
