import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { parseCacheControl } from "../http/cache-control.js";
import { getLoginCookiePrefix, getSessionCookieName } from "../http/cookie-names.js";
import { describePostLogoutUrl } from "../http/external-url.js";
import { createProviderFetch } from "../provider/provider-fetch.js";
import type { Settings } from "../settings/settings.js";
import { type Check, checksOf } from "./check.js";

const { ok, skipped, warning } = checksOf("redirect");
const cookies = checksOf("cookies");

/** The redirect address by itself: that it leads to the callback's route, settings.ts has seen to. */
export function checkRedirect(settings: Settings): Check[] {
  const { redirectUri, issuer, profile, routes } = settings;
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
      found: `redirect address ${redirectUri}, after a logout ${describePostLogoutUrl(settings)}`,
    }),
  ];
}

const ANSWER_SECONDS = 3;

/** Whether a portalAuth() answers where the portal leads people: a HEAD there begins, spends and ends nothing. */
export async function checkAnswered({ redirectUri, routes, httpTimeout }: Settings): Promise<Check[]> {
  if (routes.callback === false) return [];
  const fetch = createProviderFetch(Math.min(httpTimeout, ANSWER_SECONDS));
  return fetch(redirectUri, { method: "HEAD" }).then(
    ({ status, headers }) => {
      const isNoStore = parseCacheControl(headers.get("cache-control") ?? "")?.has("no-store"); // a proxy may add to it
      const isOurs = status === 204 && isNoStore && headers.has("referrer-policy");
      if (isOurs) return [ok("answered", "the app answers there")];
      const advice =
        "mount portalAuth() so that it answers at this address, or let the proxy lead there: a login would end in this answer";
      return [warning("answered", "something else answers there", { found: `status ${status}`, advice })];
    },
    ({ detail }: PortalAuthError) => [
      skipped("answered", "whether the app answers there", {
        found: `nobody does now (${detail}): does it run, at that host and port, and can it be reached from here?`,
      }),
    ],
  );
}

/** What Express tells of a proxy; undefined when there is no app to look at. */
export type TrustProxy = { readonly trusts: boolean } | undefined;

/** The cookies that browsers will get, and whether they will keep them. */
export function checkCookies(settings: Settings, proxy: TrustProxy): Check[] {
  const { https, sameSite } = settings;
  const flags = `HttpOnly${https ? ", Secure" : ""}, Path=/`;
  const found = `${getSessionCookieName(settings)} (SameSite=${sameSite === "strict" ? "Strict" : "Lax"}), ${getLoginCookiePrefix(settings)}… (SameSite=Lax); ${flags}`;
  return [
    cookies.ok("flags", "cookies that browsers will get", { found }),
    ...(https ? [checkProxy(proxy, settings)] : []),
  ];
}

function checkProxy(proxy: TrustProxy, { tlsTerminated }: Settings): Check {
  const title = "behind a proxy that ends TLS";
  if (tlsTerminated)
    return cookies.ok("proxy", title, {
      found: "PORTAL_TLS_TERMINATED is on: every request counts as https",
    });
  const advice =
    "it must send X-Forwarded-Proto: https; and for an express-session of your own say app.set('trust proxy', 1); if it sends no such header, set PORTAL_TLS_TERMINATED=on";
  if (!proxy) return cookies.skipped("proxy", title, { found: "not seen from here", advice });
  return proxy.trusts
    ? cookies.ok("proxy", title, { found: "'trust proxy' is set" })
    : cookies.warning("proxy", title, { advice });
}
