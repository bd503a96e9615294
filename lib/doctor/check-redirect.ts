import { loginCookiePrefix, sessionCookieName } from "../cookie-names.js";
import type { Settings } from "../settings.js";
import { type Check, checksOf } from "./check.js";

const { ok, warning } = checksOf("redirect");
const cookies = checksOf("cookies");

/** The redirect address by itself: that it leads to the callback's route, settings.ts has seen to. */
export function checkRedirect({ redirectUri, postLogoutRedirectUri, issuer, profile, routes }: Settings): Check[] {
  const { protocol, hostname, origin } = new URL(redirectUri);
  const route =
    routes.callback === false
      ? warning("route", "the callback's route is turned off", {
          found: redirectUri,
          advice: "something else must answer there: set routes.callback, or see to it yourself",
        })
      : ok("route", "the redirect address ends in the callback's route", { found: redirectUri });
  return [
    route,
    protocol === "https:"
      ? ok("scheme", "https")
      : warning("scheme", "http, on this machine alone", { advice: "in production write an https address" }),
    ...(hostname === "localhost" && profile.name === "tencent-ciam"
      ? [
          warning("localhost", "the portal's older versions refuse localhost", {
            advice: "write 127.0.0.1 instead, here and at the portal",
          }),
        ]
      : []),
    ...(origin === new URL(issuer).origin
      ? [
          warning("host", "app and portal are at the same address", {
            found: origin,
            advice: "PORTAL_REDIRECT_URI is an address of your app, not of the portal",
          }),
        ]
      : []),
    ok("register", "register these at the portal, to the letter", {
      found: `redirect address ${redirectUri}, after a logout ${postLogoutRedirectUri}`,
    }),
  ];
}

/** What Express tells of a proxy; undefined when there is no app to look at. */
export type TrustProxy = { readonly trusts: boolean } | undefined;

/** The cookies that browsers will get, and whether they will keep them. */
export function checkCookies(settings: Settings, proxy: TrustProxy): Check[] {
  const { https, sameSite } = settings;
  const flags = `HttpOnly${https ? ", Secure" : ""}, Path=/`;
  const found = `${sessionCookieName(settings)} (SameSite=${sameSite === "strict" ? "Strict" : "Lax"}), ${loginCookiePrefix(settings)}… (SameSite=Lax); ${flags}`;
  return [cookies.ok("flags", "cookies fit the scheme", { found }), ...(https ? [checkProxy(proxy)] : [])];
}

function checkProxy(proxy: TrustProxy): Check {
  const title = "behind a proxy that ends TLS";
  const advice =
    "it must send X-Forwarded-Proto: https; and for an express-session of your own say app.set('trust proxy', 1)";
  if (!proxy) return cookies.ok("proxy", title, { found: "if there is one", advice });
  return proxy.trusts
    ? cookies.ok("proxy", title, { found: "'trust proxy' is set" })
    : cookies.warning("proxy", title, { advice });
}
