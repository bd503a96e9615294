import type { IncomingHttpHeaders } from "node:http";

/** How a request shows that a page of this site has sent it. */
export interface CsrfOptions {
  /**
   * A header that says so, with any value: the page's script sets it, no form can, and no script of another site without
   * asking first (CORS preflight). Begins with X-. Default `X-CSRF`.
   */
  header?: string;
}

/** The same, settled. */
export interface ResolvedCsrf {
  /** In lower case. */
  readonly header: string;
}

const DEFAULT_HEADER = "x-csrf";

/** They change nothing (RFC 9110, section 9.2.1), and browsers send them for other sites' links and images. */
const SAFE_METHODS: readonly (string | undefined)[] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/** Names that a form cannot set, but what stands between browser and application does. */
const PROXY_HEADERS = /^x-(forwarded-.*|real-ip|client-ip|request-id|correlation-id|amzn-trace-id)$/;

/**
 * What the option `csrf` of `maker` says.
 *
 * @throws TypeError when the app starts: it is neither true nor false nor names a header that tells anything
 */
export function resolveCsrf(given: boolean | CsrfOptions, factory: string): ResolvedCsrf | undefined {
  if (given === false) return undefined;
  if (given === true) return { header: DEFAULT_HEADER };
  if (typeof given !== "object" || given === null)
    throw new TypeError(`${factory}: csrf must be true, false or { header }`);
  const { header = DEFAULT_HEADER, ...unknown } = given;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`${factory}: there is no option csrf.${name}`);
  const lower = String(header).toLowerCase();
  if (!/^x-[a-z0-9-]+$/.test(lower) || PROXY_HEADERS.test(lower))
    throw new TypeError(
      `${factory}: csrf.header must begin with X-, and be one that only scripts of your own pages set`,
    );
  return { header: lower };
}

/** A request, as far as it tells where it comes from. */
interface SentRequest {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Whether another site may have made the browser send this, with the person's cookies (cross-site request forgery).
 * SameSite=Lax keeps cookies from other sites' forms; not from siblings below the same domain, which are the same site.
 */
export function canBeForged(
  { method, headers }: SentRequest,
  { header }: ResolvedCsrf,
  origin: () => string,
): boolean {
  if (SAFE_METHODS.includes(method)) return false;
  return !headers[header] && !isSameOrigin(headers, origin());
}

/**
 * Whether the browser says that a page of this origin has sent it: by Fetch Metadata (section 2.3), or, where it is too
 * old for that, by Origin (RFC 6454, section 7). What is sent twice arrives as a list, and is neither.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers["sec-fetch-site"];
  return site === undefined ? headers.origin === origin : site === "same-origin";
}
