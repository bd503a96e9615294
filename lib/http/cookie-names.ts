/** What the names of our cookies depend on. */
export interface CookieNameOptions {
  /** Of several portalAuth() in an application; undefined for the one that needs no name. */
  readonly name: string | undefined;
  /** Whether people reach the app over https. */
  readonly https: boolean;
}

/** RFC 6265bis, section 4.1.3.2: with the prefix no other host, and nobody over http, can set them. */
const toCookieName = (what: string, { name, https }: CookieNameOptions): string =>
  `${https ? "__Host-" : ""}${what}${name === undefined ? "" : `.${name}`}`;

/** The cookie of our own session. */
export const getSessionCookieName = (named: CookieNameOptions): string =>
  toCookieName("portal-session", named);

/** The cookie that our interstitial page leaves for the request that follows. All routers of an application share it. */
export const getReloadCookieName = ({ https }: Pick<CookieNameOptions, "https">): string =>
  toCookieName("portal-bounced", { name: undefined, https });

/** What the cookies of all logins that were begun begin with; the rest is each one's own. */
export const getLoginCookiePrefix = (named: CookieNameOptions): string =>
  `${toCookieName("portal-login", named)}.`;

/**
 * The cookies of silent logins: one says that the browser keeps cookies, the other that nobody is to be asked for silently
 * any more. Two, so that an answer that comes late, or out of a cache, takes back nothing of what the other says.
 */
export const getSilentCookieNames = (
  named: CookieNameOptions,
): Readonly<Record<"ready" | "tried", string>> => ({
  ready: toCookieName("portal-silent", named),
  tried: toCookieName("portal-silent-tried", named),
});

/** Shows, after a lost login, what happens to the next login's cookie: see Evidence. It needs no prefix. */
export const PROBE_COOKIE = "portal-probe";

/** Whether a cookie of this name belongs to any portalAuth(). The probe does not count. */
export const isOurCookie = (name: string): boolean => /^(__Host-)?portal-(login|session|silent)/.test(name);
