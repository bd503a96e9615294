import { describe, expect, test } from "vitest";
import { isOwnRoute } from "../../lib/login/is-own-route.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { leadTo, startWorld } from "../support/world.js";

const createSettings = (routes = {}, mount = "") =>
  resolveSettings({
    issuer: "https://portal.example",
    clientId: "app",
    clientAuth: "none",
    secret: "x".repeat(32),
    redirectUri: `https://app.example${mount}/callback`,
    frontchannelLogout: true,
    routes,
  });

describe("isOwnRoute() recognizes each spelling that Express or a proxy treats as the same route:", () => {
  const settings = createSettings(
    { login: "/sign-in/", logout: "/staff/leave", session: "/session" },
    "/shop",
  );
  test.each([
    "/shop/sign-in",
    "/shop/SIGN-IN/?x=1",
    "/Shop/Sign-In#a",
    "/shop/callback?code=x",
    "/shop//staff/LEAVE",
    "/shop/%73ign-in",
    "/shop/x/../staff/leave",
    "/shop/frontchannel-logout",
    "/shop/sign-in/form",
  ])("%s", (path) => {
    expect(isOwnRoute(settings, "/shop", path)).toBe(true);
    expect(isOwnRoute(settings, "", path)).toBe(true); // the proxy removes /shop
  });

  test.each([
    "/",
    "/sign-in",
    "/staff/leave",
    "/docs/shop/sign-in",
    "/shop/docs/api/sign-in",
    "/shop/settings/webhooks/callback?id=7",
    "/shop/session",
    "/shop/sign-in/help",
    "/shop/a?to=/shop/sign-in",
    "/shop/re-sign-in",
  ])("isOwnRoute() does not recognize %s, which is no route of this router", (path) => {
    expect(isOwnRoute(settings, "/shop", path)).toBe(false);
  });
});

test("isOwnRoute() does not recognize a route that is turned off", () => {
  expect(isOwnRoute(createSettings({ login: false, logout: false }), "", "/false")).toBe(false);
});

test.each([
  "/LOGOUT",
  "/logout/",
  "/%6Cogout?x",
  "//logout",
  "/x/../login",
  "/callback?code=1",
  "/login/form",
])("a login that would return to the route %s returns to the start page", async (path) => {
  const { url, browser } = await startWorld();
  const page = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(path)}`);
  expect((await browser.navigate(page, { site: "cross-site" })).headers.location).toBe("/");
});

test.each([
  "/docs/api/login",
  "/admin/reports/logout",
  "/settings/webhooks/callback?id=7",
  "/contact/login/form",
])(
  "a login returns to %s, a page of the application whose URL ends like one of the router's routes",
  async (path) => {
    const { url, browser } = await startWorld({
      after: (app) => app.get(/./, (req, res) => void res.send(req.url)),
    });
    expect((await browser.visit(`${url}/login?returnTo=${encodeURIComponent(path)}`)).body).toBe(path);
  },
);

test("a hook may lead to a route of the router, because the application has chosen it", async () => {
  const { url, browser } = await startWorld({ options: { hooks: { onLogin: leadTo("/login") } } });
  const page = await browser.loginUntilCallback(`${url}/login`);
  expect((await browser.navigate(page, { site: "cross-site" })).headers.location).toBe("/login");
});
