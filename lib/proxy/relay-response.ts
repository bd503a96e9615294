import type { IncomingMessage } from "node:http";
import { pipeline } from "node:stream/promises";
import { logFailure } from "../answer/log.js";
import { BEARER_CHALLENGE, PortalAuthError } from "../errors/portal-auth-error.js";
import { filterResponseHeaders, hasApplicationPrecedence } from "./forwarded-headers.js";
import type { ProxiedRequest } from "./proxied-request.js";
import { rewriteLocation } from "./upstream-url.js";

const EMPTY_CHUNK = Buffer.alloc(0);

/** Hands an answer to the browser piece by piece, as it comes. One that breaks off does not end as if it were whole. */
export async function relayResponse(
  response: IncomingMessage,
  target: URL,
  proxied: ProxiedRequest,
): Promise<void> {
  relayHead(response, target, proxied);
  const failure = await relayBody(response, proxied);
  const detail = `${proxied.settings.name}: the answer broke off`;
  if (failure) logFailure(proxied.router.log, new PortalAuthError(failure, { detail }));
}

function relayHead(
  response: IncomingMessage,
  target: URL,
  { mount, req, res, settings }: ProxiedRequest,
): void {
  const { statusCode, headers } = response;
  res.statusCode = statusCode as number; // an answer has one
  for (const [name, value = ""] of Object.entries(filterResponseHeaders(headers, settings.responseHeaders)))
    if (!(hasApplicationPrecedence(name, settings.responseHeaders) && res.hasHeader(name)))
      res.setHeader(name, value);
  if (statusCode === 204) res.removeHeader("Content-Length"); // RFC 9110, section 8.6: some would wait for a body
  for (const name of [...parseHeaderNames(headers.vary), "Cookie"]) res.vary(name); // whose it is the upstream knows by the token
  const location = headers.location && rewriteLocation(headers.location, target, settings.upstream, mount);
  if (location) res.setHeader("Location", location);
  if (statusCode === 401) res.setHeader("WWW-Authenticate", BEARER_CHALLENGE);
  // An event stream may say nothing for a while, so the head goes first. res.flushHeaders() would write it as UTF-8, and
  // change bytes that Node.js has read as Latin-1.
  const hasBody = req.method !== "HEAD" && statusCode !== 204 && statusCode !== 304; // RFC 9110, section 6.4.1
  if (hasBody) res.write(EMPTY_CHUNK);
}

/** The names in a list of headers (RFC 9110, section 5.6.2); what is none is left out. */
const parseHeaderNames = (names = ""): string[] =>
  names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => HEADER_NAME.test(name));

const HEADER_NAME = /^[\w!#$%&'*+.^`|~-]+$/;

/** Gives what is wrong with the upstream; a browser that hangs up ends both, and that is its right. */
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
  await pipeline(response, res).catch(() => {}); // what it rejects with does not say who was first
  clearTimeout(timer);
  return failure;
}
