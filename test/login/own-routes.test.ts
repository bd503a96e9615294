import { expect, test } from "vitest";
import { isOwnRoute, knowRoutes } from "../../lib/login/own-routes.js";
import { leadTo, startWorld } from "../support/world.js";

test("a route of ours is known wherever it is mounted, however it is written", () => {
  knowRoutes({ login: "/sign-in/", callback: "/callback", logout: "/staff/leave" });
  for (const path of ["/sign-in", "/SIGN-IN/?x=1", "/shop/Sign-In#a", "/callback?code=x", "/app/staff/LEAVE"])
    expect([path, isOwnRoute(path)]).toEqual([path, true]);
  knowRoutes({ login: "/login", callback: "/callback", form: "/login/form", ...{ session: "/session" } });
  for (const path of [
    "/",
    "/account",
    "/training/session",
    "/contact/form",
    "/sign-in/help",
    "/leave",
    "/a?to=/sign-in",
    "/re-sign-in",
  ])
    expect([path, isOwnRoute(path)]).toEqual([path, false]);
});

test("a route that is turned off is none", () => {
  knowRoutes({ login: false, callback: "/callback", logout: false });
  expect(isOwnRoute("/false")).toBe(false);
});

test.each(["/LOGOUT", "/elsewhere/Logout?x", "/other/login", "/x/callback?code=1"])(
  "no login leads to %s, which would look like a wish of the site's own",
  async (path) => {
    const { url, browser } = await startWorld();
    const page = await browser.loginUntilCallback(`${url}/login?returnTo=${encodeURIComponent(path)}`);
    expect((await browser.navigate(page, { site: "cross-site" })).headers.location).toBe("/");
  },
);

test("a hook may lead there all the same: it speaks for the application", async () => {
  const { url, browser } = await startWorld({ options: { hooks: { onLogin: leadTo("/welcome/login") } } });
  const page = await browser.loginUntilCallback(`${url}/login`);
  expect((await browser.navigate(page, { site: "cross-site" })).headers.location).toBe("/welcome/login");
});
