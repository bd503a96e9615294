import { describe, expect, test, vi } from "vitest";
import { Browser } from "../support/browser.js";
import { advanceDate } from "../support/fake-time.js";
import { startWorld, type WorldOptions } from "../support/world.js";

// A signed-in user comes to the callback late: by Back, by a bookmark, or in an old tab.

const LATE_CALLBACKS: [string, (callback: URL) => void][] = [
  ["with an unknown state", (callback) => callback.searchParams.set("state", "of-another-time")],
  ["with the response of an attempt that no longer exists", () => {}],
  ["with an error of the provider", (callback) => turnIntoError(callback)],
  ["without any parameter", (callback) => removeParameters(callback)],
];

function turnIntoError(callback: URL): void {
  callback.searchParams.delete("code");
  callback.searchParams.set("error", "access_denied");
}

function removeParameters(callback: URL): void {
  callback.search = "";
}

/** Signs a user in, and returns the URL of a callback whose attempt this browser does not have. */
async function startSignedIn(given: WorldOptions = {}) {
  const world = await startWorld(given);
  const callback = await new Browser().loginUntilCallback(`${world.url}/account`);
  await world.browser.visit(`${world.url}/account`);
  const session = (await world.browser.cookies(world.url)).get("portal-session");
  return { ...world, callback, session };
}

describe("a late callback", () => {
  test.each(LATE_CALLBACKS)(
    "%s redirects a signed-in user to the start page, and changes nothing",
    async (_how, change) => {
      const { browser, url, callback, session, asked, me, log } = await startSignedIn();
      change(callback);
      const { status, headers } = await browser.navigate(callback, { site: "cross-site" });
      expect([status, headers.location]).toEqual([303, "/"]);
      expect((await browser.cookies(url)).get("portal-session")).toBe(session);
      expect((await me()).claims).toMatchObject({ sub: "amara-okafor" });
      expect(asked("/oauth2/token")).toHaveLength(1);
      expect(log.filter((line) => /login_|callback_/.test(line))).toEqual([]);
    },
  );

  test.each(LATE_CALLBACKS)(
    "%s still shows the error to a browser without a session",
    async (_how, change) => {
      const { url, callback } = await startSignedIn({ log: [/login_|callback_invalid/] });
      change(callback);
      const otherUser = await new Browser().navigate(callback);
      expect([otherUser.status, otherUser.body.includes("Sign in again")]).toEqual([400, true]);
      expect(otherUser.url).toContain(url);
    },
  );

  test("of an expired attempt redirects a signed-in user to the page of lateCallbackPath", async () => {
    const { browser, url } = await startWorld({ options: { lateCallbackPath: "/welcome?from=late" } });
    const late = await browser.loginUntilCallback(`${url}/account`);
    await browser.visit(`${url}/account`);
    const cookie = [...(await browser.cookies(url))].map(([name, value]) => `${name}=${value}`).join("; ");
    advanceDate(600_000);
    const { status, headers } = await browser.navigate(late, { headers: { cookie } });
    vi.useRealTimers();
    expect([status, headers.location]).toEqual([303, "/welcome?from=late"]);
  });

  test.each(["/callback", "/login", "/logout"])(
    "leads to the start page if the option names the route %s",
    async (lateCallbackPath) => {
      const { browser, callback } = await startSignedIn({ options: { lateCallbackPath } });
      expect((await browser.navigate(callback)).headers.location).toBe("/");
    },
  );

  test("finishes or fails as usual if its attempt is still pending", async () => {
    const { browser, url } = await startWorld({ log: [/login_denied/] });
    const denied = await browser.loginUntilCallback(`${url}/account`);
    const granted = await browser.loginUntilCallback(`${url}/account?tab=2`);
    await browser.visit(`${url}/account`);
    const session = (await browser.cookies(url)).get("portal-session");
    turnIntoError(denied);
    expect((await browser.navigate(denied)).status).toBe(403);
    expect((await browser.navigate(granted)).headers.location).toBe("/account?tab=2");
    expect((await browser.cookies(url)).get("portal-session")).not.toBe(session);
  });

  test("is rejected if it repeats a parameter, even for a signed-in user", async () => {
    const { browser, callback } = await startSignedIn({ log: [/callback_invalid/] });
    callback.searchParams.append("state", "twice");
    expect((await browser.navigate(callback)).status).toBe(400);
  });
});

test("loginTimeout limits how long a login may take, and the lifetime of its cookie", async () => {
  let now = Date.now();
  const { browser, url } = await startWorld({
    options: { loginTimeout: 60, clock: () => now },
    log: [/login_expired/],
  });
  const begin = () => browser.loginUntilCallback(`${url}/account`);
  const early = await begin();
  const late = await begin();
  expect(browser.answers[0]?.headers["set-cookie"]).toEqual([expect.stringContaining("; Max-Age=60; ")]);
  now += 59_999;
  expect((await browser.navigate(early)).status).toBe(303);
  now += 1;
  await browser.jar.removeAllCookies();
  expect((await browser.navigate(late)).body).toContain("login_expired");
});
