import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";

// Which headers pass. All names are in lower case, as Node.js gives them.

/** Of one connection alone (RFC 9110, section 7.6.1); and what Connection lists. */
const HOP_BY_HOP = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/** What this proxy says itself, or says nothing of. */
const OURS = ["authorization", "content-length", "cookie", "expect", "host"];

/**
 * What the browser says of its own page and site, which is not the upstream's: its CORS would refuse an origin that it
 * does not know, and the question whether the request is forged has been answered here.
 */
const OF_THE_PAGE = ["origin", "referer"];

const NOT_SENT = new Set([...HOP_BY_HOP, ...OURS, ...OF_THE_PAGE]);

const NOT_SENT_BY_NAME = new RegExp(
  [
    "_", // a name of another header for CGI and its heirs, which read - and _ alike
    "^(?:proxy|sec)-",
    // what an upstream may believe of what is asked for from a proxy alone
    "^x-(?:original|rewrite)-|^x-(?:http-)?method|^x-host$",
    // likewise, of who asks, and how
    "^(?:x-)?forwarded|client-?ip$|connecting-ip$|^x-real-ip$|^x-envoy-|^front-end-https$",
    // likewise, of who they are
    "^(?:x-)?(?:remote|auth-request|authenticated|ssl|client-cert|arr|amzn-oidc|ms-client-principal|goog-authenticated|goog-iap)(?:-|$)",
  ].join("|"),
);

/** What speaks for this whole origin, or to its visitors: that is the application's to say. */
const OF_THE_ORIGIN = [
  "accept-ch",
  "activate-storage-access",
  "alt-svc",
  "authentication-info",
  "clear-site-data",
  "critical-ch",
  "nel",
  "public-key-pins",
  "refresh", // leads on to where Location would be looked at
  "report-to",
  "reporting-endpoints",
  "secure-session-registration",
  "service-worker-allowed",
  "set-cookie",
  "set-cookie2",
  "set-login",
  "speculation-rules",
  "strict-transport-security",
  "www-authenticate", // browsers ask people for a password
];

/** What hand-back.ts makes of what the upstream says there. */
const REWRITTEN = ["location", "vary"];

const NOT_ANSWERED = new Set([...HOP_BY_HOP, ...OF_THE_ORIGIN, ...REWRITTEN]);

const NOT_ANSWERED_BY_NAME = new RegExp(
  [
    "^proxy-",
    "^access-control-", // of the upstream, would open what the session's cookie opens here
    // what a cache in front obeys before Cache-Control (RFC 9213), and a server there
    "cdn-cache-control$|^surrogate-|edge-control$|^x-litespeed-|^x-accel-|^x-sendfile|^x-lighttpd-|^x-reproxy-",
  ].join("|"),
);

/** Whether a header for the upstream is not the option's to set. */
export const isOurs = (name: string): boolean =>
  HOP_BY_HOP.includes(name) || OURS.includes(name) || name.startsWith("proxy-");

/** What the upstream is sent of what the browser has sent; what is this proxy's own comes on top of it. */
export const headersOn = (headers: IncomingHttpHeaders): OutgoingHttpHeaders =>
  without(headers, NOT_SENT, NOT_SENT_BY_NAME);

/** What the browser is sent of what the upstream has sent. */
export function headersBack(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  return {
    "x-content-type-options": "nosniff", // it is read as this origin's
    ...without(headers, NOT_ANSWERED, NOT_ANSWERED_BY_NAME),
    "cache-control": cacheControl(headers["cache-control"]),
  };
}

/**
 * Shared caches keep no answer to a request with Authorization, unless it says so (RFC 9111, section 3.5). The browser's
 * request had a cookie instead, so that must be said.
 */
function cacheControl(given: string | undefined): string {
  if (given === undefined) return "private, no-cache";
  return /\b(?:public|private|no-store|s-maxage)\b/i.test(given) ? given : `${given}, private`;
}

function without(headers: IncomingHttpHeaders, names: ReadonlySet<string>, pattern: RegExp): OutgoingHttpHeaders {
  const ofConnection = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !(names.has(name) || pattern.test(name) || ofConnection.includes(name))),
  );
}

/** How long the body is that follows, in the words of the connection that it came by: they must be true on the next one. */
export function framing({ "content-length": length, "transfer-encoding": coding }: IncomingHttpHeaders) {
  if (coding !== undefined) return { "transfer-encoding": "chunked" }; // Node.js takes no other
  return Number(length ?? 0) > 0 ? { "content-length": length } : undefined;
}
