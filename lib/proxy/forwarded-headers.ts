import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { hasUnqualifiedDirective, parseCacheControl } from "../http/cache-control.js";

// Only the headers of these lists and of the options are forwarded. A list of forbidden headers is never
// complete: each gateway has its own headers that identify a user (cf-access-*, x-consumer-*,
// x-ms-token-aad-*). New browser versions add headers that apply to a whole origin. All names are in lower
// case, as in Node.js.

const REQUEST_HEADERS = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "baggage", // W3C Baggage
  "cache-control",
  "content-digest", // RFC 9530
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-md5",
  "content-range",
  "content-type",
  "digest",
  "idempotency-key",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-event-id", // sent by an EventSource that reconnects
  "pragma",
  "prefer", // RFC 7240
  "priority", // RFC 9218
  "range",
  "repr-digest",
  "save-data",
  "traceparent", // W3C Trace Context
  "tracestate",
  "user-agent",
  "want-content-digest",
  "want-repr-digest",
  "x-correlation-id",
  "x-request-id",
  "x-requested-with",
]);

const RESPONSE_HEADERS = new Set([
  "accept-patch",
  "accept-post",
  "accept-ranges",
  "age",
  "allow",
  "content-digest",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-range",
  "content-security-policy",
  "content-type",
  "deprecation", // RFC 9745
  "digest",
  "etag",
  "expires",
  "last-modified",
  "pragma",
  "preference-applied",
  "referrer-policy",
  "repr-digest",
  "retry-after",
  "sunset", // RFC 8594
  "traceresponse",
  "warning",
  "x-correlation-id",
  "x-frame-options",
  "x-next-page",
  "x-page",
  "x-pagination",
  "x-per-page",
  "x-prev-page",
  "x-request-id",
  "x-robots-tag",
  "x-total",
  "x-total-count",
  "x-total-pages",
]);

const RATE_LIMIT = /^(?:x-)?rate-?limit(?:-|$)/;

/**
 * Relations of the header Link (RFC 8288) that only describe. Others, such as preload, stylesheet or
 * preconnect, make the browser load something on behalf of this origin.
 */
const DESCRIBING_RELATIONS = new Set([
  "canonical",
  "collection",
  "deprecation",
  "describedby",
  "edit",
  "first",
  "item",
  "last",
  "latest-version",
  "next",
  "prev",
  "previous",
  "related",
  "self",
  "service-desc",
  "service-doc",
  "status",
  "successor-version",
  "sunset",
  "type",
  "up",
]);

/**
 * Headers that apply to one connection only (RFC 9110, section 7.6.1). The header Connection can name more of
 * them.
 */
const HOP_BY_HOP = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/** Headers that the proxy sets itself or never forwards. */
const OWN_REQUEST_HEADERS = [...HOP_BY_HOP, "authorization", "content-length", "cookie", "expect", "host"];
const OWN_RESPONSE_HEADERS = [
  ...HOP_BY_HOP,
  "cache-control",
  "content-length",
  "location",
  "set-cookie",
  "set-cookie2",
  "vary",
  "www-authenticate", // browsers would show a password dialog
  "x-content-type-options",
];

/** Headers that protect a document. The application's value stays, because the upstream's may be weaker. */
const APPLICATION_HEADERS = [
  "content-security-policy",
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-frame-options",
];

/**
 * Returns whether the application's value of a response header takes precedence over the upstream's.
 * `allowed` are the names in the option `responseHeaders`, which never have that precedence.
 */
export const hasApplicationPrecedence = (name: string, allowed: ReadonlySet<string>): boolean =>
  APPLICATION_HEADERS.includes(name) && !allowed.has(name);

/** Returns whether the proxy controls this request header, so that the options must not name it. */
export const isOwnRequestHeader = (name: string): boolean =>
  OWN_REQUEST_HEADERS.includes(name) || name.startsWith("proxy-");

/**
 * Returns whether the option `requestHeaders` must not allow this header. A name with _ is never allowed,
 * because CGI and similar interfaces read _ as -, so that it becomes another header.
 */
export const isNeverForwarded = (name: string): boolean =>
  isOwnRequestHeader(name) || /^(?:x-)?forwarded|_/.test(name);

/** Returns whether the option `responseHeaders` must not allow this header. */
export const isOwnResponseHeader = (name: string): boolean =>
  OWN_RESPONSE_HEADERS.includes(name) || name.startsWith("proxy-");

/** Returns the headers of a browser's request that the upstream gets. */
export const filterRequestHeaders = (
  headers: IncomingHttpHeaders,
  allowed: ReadonlySet<string>,
): OutgoingHttpHeaders => filterHeaders(headers, (name) => REQUEST_HEADERS.has(name) || allowed.has(name));

/** Returns the headers of the upstream's response that the browser gets, without Location and Vary. */
export function filterResponseHeaders(
  headers: IncomingHttpHeaders,
  allowed: ReadonlySet<string>,
): OutgoingHttpHeaders {
  const { link } = headers;
  return {
    "cross-origin-resource-policy": "same-origin", // other sites must not embed content for signed-in users
    ...filterHeaders(
      headers,
      (name) => RESPONSE_HEADERS.has(name) || RATE_LIMIT.test(name) || allowed.has(name),
    ),
    ...(link !== undefined && hasOnlyDescribingRelations(String(link)) && { link }),
    "cache-control": resolveCacheControl(headers["cache-control"]),
    "x-content-type-options": "nosniff", // browsers treat the response as content of this origin
  };
}

/** Returns whether each relation of a Link header is known to load nothing. Unusual spellings give false. */
function hasOnlyDescribingRelations(link: string): boolean {
  const values = [...link.matchAll(/rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/gi)].map(
    ([, quoted, plain]) => quoted ?? plain,
  );
  const relations = values.flatMap((value = "") => value.toLowerCase().split(/\s+/));
  const isParsedCompletely = link.match(/rel[\s*]*=/gi)?.length === values.length;
  return isParsedCompletely && relations.every((relation) => DESCRIBING_RELATIONS.has(relation));
}

const STORAGE_DIRECTIVES = ["public", "private", "no-store"];

/**
 * Shared caches do not store the response to a request with Authorization unless the response allows it (RFC
 * 9111, section 3.5). The browser's request has a cookie instead, so the response must say who may store it.
 */
function resolveCacheControl(cacheControl: string | undefined): string {
  const directives = parseCacheControl(cacheControl ?? "");
  if (!cacheControl || !directives || directives.size === 0) return "private, no-cache";
  const saysWhoMayStore =
    STORAGE_DIRECTIVES.some((name) => hasUnqualifiedDirective(directives, name)) ||
    directives.has("s-maxage");
  return saysWhoMayStore ? cacheControl : `${cacheControl}, private`;
}

function filterHeaders(
  headers: IncomingHttpHeaders,
  isForwarded: (name: string) => boolean,
): OutgoingHttpHeaders {
  const connectionHeaders = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => isForwarded(name) && !connectionHeaders.includes(name)),
  );
}

/**
 * Returns whether a body has no transfer coding, or only `chunked`. Node.js decodes only `chunked` (RFC 9112,
 * section 6.1). A body in another coding would be forwarded without the header that names it.
 */
export const isUncodedOrChunked = ({ "transfer-encoding": coding }: IncomingHttpHeaders): boolean =>
  coding === undefined || coding.trim().toLowerCase() === "chunked";

/**
 * Returns the header that describes the length of the body; undefined for a request without a body. If both
 * headers are present, Transfer-Encoding takes precedence (RFC 9112, section 6.3).
 */
export function getBodyLengthHeader({
  "content-length": length,
  "transfer-encoding": coding,
}: IncomingHttpHeaders) {
  if (coding !== undefined) return { "transfer-encoding": "chunked" };
  return Number(length ?? 0) > 0 ? { "content-length": length } : undefined;
}
