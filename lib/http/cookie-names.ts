/** The settings that the names of our cookies depend on. */
export interface CookieNameOptions {
  /** The option `name` of this portalAuth(); undefined without one. */
  readonly name: string | undefined;
  /** Whether users reach the app over https. */
  readonly https: boolean;
}

/**
 * Adds the prefix `__Host-` over https: no other host can set such a cookie (RFC 6265bis, section 4.1.3.2).
 */
const toCookieName = (base: string, { name, https }: CookieNameOptions): string =>
  `${https ? "__Host-" : ""}${base}${name === undefined ? "" : `.${name}`}`;

/** Returns the name of our own session's cookie. */
export const getSessionCookieName = (options: CookieNameOptions): string =>
  toCookieName("portal-session", options);

/**
 * Returns the name of the cookie that our interstitial page sets for the request that follows. All routers of
 * an application share it.
 */
export const getReloadCookieName = ({ https }: Pick<CookieNameOptions, "https">): string =>
  toCookieName("portal-bounced", { name: undefined, https });

/** Returns the prefix of the cookies that hold login attempts. */
export const getLoginCookiePrefix = (options: CookieNameOptions): string =>
  `${toCookieName("portal-login", options)}.`;

/**
 * Returns the names of the cookies of silent logins. "ready" shows that the browser keeps cookies, "tried"
 * prevents further silent logins. Two cookies are needed, so that a late or cached response cannot undo the
 * other state.
 */
export const getSilentCookieNames = (
  options: CookieNameOptions,
): Readonly<Record<"ready" | "tried", string>> => ({
  ready: toCookieName("portal-silent", options),
  tried: toCookieName("portal-silent-tried", options),
});

/**
 * The probe cookie, which is set after a lost login. It shows what happens to the cookie of the next login:
 * see StateDiagnostics. It needs no prefix.
 */
export const PROBE_COOKIE = "portal-probe";

/** Returns whether any portalAuth() sets a cookie of this name. The probe cookie does not count. */
export const isOurCookie = (name: string): boolean => /^(__Host-)?portal-(login|session|silent)/.test(name);
