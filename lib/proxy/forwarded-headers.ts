import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { hasUnqualifiedDirective, parseCacheControl } from "../http/cache-control.js";

// Which headers are forwarded: those of these lists, and those that the options name. A list of forbidden headers is never
// complete: each gateway has its own for who a user is (cf-access-*, x-consumer-*, x-ms-token-aad-*), and each browser
// version brings new ones that speak for a whole origin. All names are in lower case, as Node.js has them.

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
  "last-event-id", // of an EventSource that connects again
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
 * Relations of Link (RFC 8288) that only describe. By others, such as preload, stylesheet or preconnect, a document loads
 * something in the name of this origin.
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

/** Of one connection only (RFC 9110, section 7.6.1). What the header Connection lists belongs to them. */
const HOP_BY_HOP = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/** What the proxy itself says, or keeps from both sides. */
const OWN_REQUEST_HEADERS = [...HOP_BY_HOP, "authorization", "content-length", "cookie", "expect", "host"];
const OWN_RESPONSE_HEADERS = [
  ...HOP_BY_HOP,
  "cache-control",
  "content-length",
  "location",
  "set-cookie",
  "set-cookie2",
  "vary",
  "www-authenticate", // browsers ask users for a password
  "x-content-type-options",
];

/** Protections of a document: what the application has set stays, as the upstream's may be weaker. */
const APPLICATION_HEADERS = [
  "content-security-policy",
  "cross-origin-resource-policy",
  "referrer-policy",
  "x-frame-options",
];

/** Whether an answer header is left as the application has set it, unless its options name it. */
export const hasApplicationPrecedence = (name: string, more: ReadonlySet<string>): boolean =>
  APPLICATION_HEADERS.includes(name) && !more.has(name);

/** Whether the options must not set or allow this request header. */
export const isOwnRequestHeader = (name: string): boolean =>
  OWN_REQUEST_HEADERS.includes(name) || name.startsWith("proxy-");

/** Whether the option `requestHeaders` must not allow it. CGI and its heirs read _ as -, so that a name is another one. */
export const isNeverForwarded = (name: string): boolean =>
  isOwnRequestHeader(name) || /^(?:x-)?forwarded|_/.test(name);

/** Whether the option `responseHeaders` must not allow it. */
export const isOwnResponseHeader = (name: string): boolean =>
  OWN_RESPONSE_HEADERS.includes(name) || name.startsWith("proxy-");

/** Returns the headers of a browser's request that the upstream gets. */
export const filterRequestHeaders = (
  headers: IncomingHttpHeaders,
  more: ReadonlySet<string>,
): OutgoingHttpHeaders => filterHeaders(headers, (name) => REQUEST_HEADERS.has(name) || more.has(name));

/** Returns the headers of the upstream's answer that the browser gets; Location and Vary are not among them. */
export function filterResponseHeaders(
  headers: IncomingHttpHeaders,
  more: ReadonlySet<string>,
): OutgoingHttpHeaders {
  const { link } = headers;
  return {
    "cross-origin-resource-policy": "same-origin", // other sites embed nothing of what a user may see
    ...filterHeaders(
      headers,
      (name) => RESPONSE_HEADERS.has(name) || RATE_LIMIT.test(name) || more.has(name),
    ),
    ...(link !== undefined && hasOnlyDescribingRelations(String(link)) && { link }),
    "cache-control": resolveCacheControl(headers["cache-control"]),
    "x-content-type-options": "nosniff", // the answer is read as this origin's
  };
}

/** Whether each relation of a Link header is known to load nothing. Another spelling of one is none of these. */
function hasOnlyDescribingRelations(link: string): boolean {
  const values = [...link.matchAll(/rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/gi)].map(
    ([, quoted, plain]) => quoted ?? plain,
  );
  const relations = values.flatMap((value = "") => value.toLowerCase().split(/\s+/));
  const isAll = link.match(/rel[\s*]*=/gi)?.length === values.length;
  return isAll && relations.every((relation) => DESCRIBING_RELATIONS.has(relation));
}

const STORAGE_DIRECTIVES = ["public", "private", "no-store"];

/**
 * Shared caches keep no answer to a request with Authorization unless it says so (RFC 9111, section 3.5). The browser's
 * request has a cookie instead, so the answer must say who may keep it.
 */
function resolveCacheControl(given: string | undefined): string {
  const directives = parseCacheControl(given ?? "");
  if (!given || !directives || directives.size === 0) return "private, no-cache";
  const isSaid =
    STORAGE_DIRECTIVES.some((name) => hasUnqualifiedDirective(directives, name)) ||
    directives.has("s-maxage");
  return isSaid ? given : `${given}, private`;
}

function filterHeaders(
  headers: IncomingHttpHeaders,
  isForwarded: (name: string) => boolean,
): OutgoingHttpHeaders {
  const ofConnection = (headers.connection ?? "").toLowerCase().split(/[\s,]+/);
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => isForwarded(name) && !ofConnection.includes(name)),
  );
}

/**
 * Whether a body comes as it is or in chunks. Node.js removes the chunks, and no other coding (RFC 9112, section 6.1): the
 * rest would be forwarded under a wrong name.
 */
export const isUncodedOrChunked = ({ "transfer-encoding": coding }: IncomingHttpHeaders): boolean =>
  coding === undefined || coding.trim().toLowerCase() === "chunked";

/** Returns the length of the body in the terms of HTTP. Of both headers, Transfer-Encoding counts (RFC 9112, section 6.3). */
export function getBodyLengthHeader({
  "content-length": length,
  "transfer-encoding": coding,
}: IncomingHttpHeaders) {
  if (coding !== undefined) return { "transfer-encoding": "chunked" };
  return Number(length ?? 0) > 0 ? { "content-length": length } : undefined;
}
