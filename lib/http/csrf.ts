import type { IncomingHttpHeaders } from "node:http";

/** How a request can show that a page of this site has sent it. */
export interface CsrfOptions {
  /**
   * A header that scripts of your own pages set, with any value. A form cannot set it, and a script of
   * another site needs a CORS preflight for it. It must begin with X-. Default: `X-CSRF`.
   */
  header?: string;
}

/** The option `csrf` after validation. */
export interface ResolvedCsrf {
  /** In lower case. */
  readonly header: string;
}

const DEFAULT_HEADER = "x-csrf";

/** Safe methods change nothing (RFC 9110, section 9.2.1). Links and images of other sites send them. */
const SAFE_METHODS: readonly (string | undefined)[] = ["GET", "HEAD", "OPTIONS", "TRACE"];

/** Headers that proxies add, so they do not show that a script has set them. */
const PROXY_HEADERS = /^x-(forwarded-.*|real-ip|client-ip|request-id|correlation-id|amzn-trace-id)$/;

/**
 * Validates the option `csrf`. Returns undefined if the option is false, so that no check takes place.
 *
 * @param factory the function that has the option, for the message
 * @throws TypeError at start-up if the option is invalid
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
      `${factory}: csrf.header must begin with X-, and only scripts of your own pages may set it. ` +
        "Headers that proxies add are not allowed.",
    );
  return { header: lower };
}

/** The parts of a request that show who has sent it. */
interface SentRequest {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Returns whether another site may have made the browser send this request with the user's cookies
 * (cross-site request forgery). SameSite=Lax cookies are not sent with forms of other sites. Siblings below
 * the same domain are the same site, so SameSite does not protect from them.
 *
 * @param getOrigin returns the origin of this site. It is called only if it is needed.
 */
export function canBeForged(
  { method, headers }: SentRequest,
  { header }: ResolvedCsrf,
  getOrigin: () => string,
): boolean {
  if (SAFE_METHODS.includes(method)) return false;
  return !headers[header] && !isSameOrigin(headers, getOrigin());
}

/**
 * Returns whether the browser reports that a page of this origin has sent the request. Fetch Metadata shows
 * it (section 2.3), or Origin in older browsers (RFC 6454, section 7). Node joins a repeated header to a
 * list, which never matches.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers["sec-fetch-site"];
  return site === undefined ? headers.origin === origin : site === "same-origin";
}
