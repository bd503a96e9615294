import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { parseCacheControl } from "../http/cache-control.js";
import { getLoginCookiePrefix, getSessionCookieName } from "../http/cookie-names.js";
import { describePostLogoutUrl } from "../http/external-url.js";
import { createProviderFetch } from "../provider/provider-fetch.js";
import type { Settings } from "../settings/settings.js";
import { type Check, createChecks } from "./check.js";

const { ok, skipped, warning } = createChecks("redirect");
const cookies = createChecks("cookies");

/** Checks the redirect URI by itself. Valid options prove already that it ends in the callback's route. */
export function checkRedirect(settings: Settings): Check[] {
  const { redirectUri, issuer, profile, routes } = settings;
  const { protocol, hostname, origin } = new URL(redirectUri);
  const checks: Check[] = [];
  checks.push(
    routes.callback === false
      ? warning("route", "the callback's route is turned off", {
          found: redirectUri,
          advice: "set routes.callback, or make sure that another handler answers there",
        })
      : ok("route", "the redirect URI ends in the callback's route", { found: redirectUri }),
  );
  checks.push(
    protocol === "https:"
      ? ok("scheme", "https")
      : warning("scheme", "http, on this machine only", { advice: "use an https URL in production" }),
  );
  if (hostname === "localhost" && profile.name === "tencent-ciam")
    checks.push(
      warning("localhost", "older versions of the Tencent portal reject localhost", {
        advice: "use 127.0.0.1 instead, here and at the provider",
      }),
    );
  if (origin === new URL(issuer).origin)
    checks.push(
      warning("host", "app and provider have the same origin", {
        found: origin,
        advice: "set PORTAL_REDIRECT_URI to a URL of your app, not of the provider",
      }),
    );
  checks.push(
    ok("register", "register exactly these at the provider", {
      found: `redirect URI ${redirectUri}, after a logout ${describePostLogoutUrl(settings)}`,
    }),
  );
  return checks;
}

const MAX_RESPONSE_SECONDS = 3;

/**
 * Checks whether a portalAuth() answers at the redirect URI. A HEAD request there starts no login, uses no
 * code and ends no session.
 */
export async function checkCallbackResponse(settings: Settings): Promise<Check[]> {
  const { redirectUri, routes, httpTimeout } = settings;
  if (routes.callback === false) return [];
  const fetch = createProviderFetch(Math.min(httpTimeout, MAX_RESPONSE_SECONDS));
  try {
    const { status, headers } = await fetch(redirectUri, { method: "HEAD" });
    // A proxy may add other directives to Cache-Control.
    const isNoStore = parseCacheControl(headers.get("cache-control") ?? "")?.has("no-store");
    const isOurs = status === 204 && isNoStore && headers.has("referrer-policy");
    if (isOurs) return [ok("answered", "the app answers there")];
    const advice =
      "mount portalAuth() so that it answers at this URL, or let the proxy forward there: " +
      "a login would end in this response";
    return [warning("answered", "something else answers there", { found: `status ${status}`, advice })];
  } catch (error) {
    const { detail } = error as PortalAuthError;
    const question = "does it run, at that host and port, and is it reachable from here?";
    return [
      skipped("answered", "whether the app answers there", {
        found: `no answer now (${detail}): ${question}`,
      }),
    ];
  }
}

/** Whether Express trusts a proxy; undefined without an app. */
export type TrustProxy = { readonly trusts: boolean } | undefined;

/** Checks the cookies that browsers get, and whether browsers store them. */
export function checkCookies(settings: Settings, proxy: TrustProxy): Check[] {
  const { https, sameSite } = settings;
  const session = `${getSessionCookieName(settings)} (SameSite=${sameSite === "strict" ? "Strict" : "Lax"})`;
  const login = `${getLoginCookiePrefix(settings)}… (SameSite=Lax)`;
  const flags = `HttpOnly${https ? ", Secure" : ""}, Path=/`;
  const found = `${session}, ${login}; ${flags}`;
  const check = cookies.ok("flags", "cookies that browsers get", { found });
  return https ? [check, checkProxy(proxy, settings)] : [check];
}

function checkProxy(proxy: TrustProxy, { tlsTerminated }: Settings): Check {
  const title = "behind a proxy that ends TLS";
  if (tlsTerminated)
    return cookies.ok("proxy", title, {
      found: "PORTAL_TLS_TERMINATED is on: every request counts as https",
    });
  const advice =
    "the proxy must send X-Forwarded-Proto: https. Without it, set PORTAL_TLS_TERMINATED=on. " +
    "For your own express-session, call app.set('trust proxy', 1)";
  if (!proxy) return cookies.skipped("proxy", title, { found: "unknown without the app", advice });
  return proxy.trusts
    ? cookies.ok("proxy", title, { found: "'trust proxy' is set" })
    : cookies.warning("proxy", title, { advice });
}
