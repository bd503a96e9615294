import { describe, expect, test, vi } from "vitest";
import type { SessionInfo } from "../../lib/index.js";
import { holdNext } from "../access/signed-in-request.js";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// One process ends the sessions that another process has created, with a real store.

const AMARA = "amara-okafor";

/** The kind of session that has the logins. Undefined is the session of this library. */
type SessionKind = [name: string, kind: AppSession["kind"] | undefined];

function describeProcesses(getStoreUrl: () => string, sessionKinds: SessionKind[]): void {
  describe.each(sessionKinds)("%s:", (_name, kind) => {
    async function start<Count extends number>(count: Count): Promise<Fleet<Count>> {
      const url = getStoreUrl();
      const fleet = await startFleet(count, {
        provider: { document: "full" },
        options: {
          profile: "openid",
          backchannelLogout: true,
          ...(kind !== "createStore" && { store: url }),
        },
        session: kind && { kind, url },
      });
      fleet.browser.user = { sub: AMARA };
      await fleet.browser.visit(`${fleet.url}/account`);
      return fleet;
    }

    test("a back-channel logout at one process counts for all, and its token is accepted once", async () => {
      const fleet = await start(4);
      const browsers = [
        fleet.browser,
        await another(fleet),
        await another(fleet),
        await another(fleet, "jonas-weber"),
      ];
      const token = fleet.provider.logoutToken(
        { sub: AMARA },
        { claims: { iat: Math.floor(Date.now() / 1000) - 5 } },
      );
      expect((await post(fleet.apps[2] as AppProcess, token)).status).toBe(200);
      for (const app of fleet.apps)
        expect(await Promise.all(browsers.map((browser) => isSignedIn(fleet, app, browser)))).toEqual([
          false,
          false,
          false,
          true,
        ]);
      await fleet.browser.visit(`${fleet.url}/account`);
      expect((await post(fleet.apps[3] as AppProcess, token)).status).toBe(400);
      expect(await isSignedIn(fleet, fleet.apps[1] as AppProcess, fleet.browser)).toBe(true);
    });

    test("a logout at one process ends all sessions, also one that another process is saving", async () => {
      const fleet = await start(2);
      const [one, other] = fleet.apps;
      const phone = await another(fleet);
      const held = await other.hold(phone, { key: "cart", value: "book", save: true });
      expect((await fleet.browser.fetch(`${one.url}/leave-everywhere`, { method: "POST" })).status).toBe(200);
      await held.release();
      for (const app of fleet.apps)
        expect([await isSignedIn(fleet, app, phone), await isSignedIn(fleet, app, fleet.browser)]).toEqual([
          false,
          false,
        ]);
    });

    test("a login in progress at one process fails after a logout at another", async () => {
      const fleet = await start(2);
      const browser = new Browser();
      browser.user = { sub: AMARA };
      const hold = holdNext(fleet.provider, "/oauth2/token", "answered");
      const login = browser.visit(`${fleet.url}/account`);
      await hold.arrived;
      expect((await post(fleet.apps[1], fleet.provider.logoutToken({ sub: AMARA }))).status).toBe(200);
      hold.letGo();
      expect((await login).status).toBe(401);
      for (const app of fleet.apps) expect(await isSignedIn(fleet, app, browser)).toBe(false);
    });

    test("the list of sessions has all of twenty logins at the same moment", async () => {
      const fleet = await start(2);
      const browsers = await Promise.all(Array.from({ length: 20 }, () => another(fleet)));
      for (const [index, app] of (fleet.apps as AppProcess[]).entries()) {
        const sessions = await list(app, browsers[index] as Browser);
        expect([sessions.length, sessions.filter(({ is_current }) => is_current).length]).toEqual([21, 1]);
      }
    });

    test("a second logout ends the sessions that remain after the first process was killed", async () => {
      const fleet = await start(2);
      const browsers = await Promise.all(Array.from({ length: 30 }, () => another(fleet)));
      const token = fleet.provider.logoutToken({ sub: AMARA });
      const [one, other] = fleet.apps;
      const firstLogout = post(one, token).catch(() => undefined);
      while (await isSignedIn(fleet, other, browsers[0] as Browser)); // until the first session has ended
      await one.stop();
      await firstLogout;
      const expectAllEnded = async () => {
        await post(other, token); // 400 while the first use is in progress, or if it has ended all sessions
        const after = await Promise.all(
          [fleet.browser, ...browsers].map((browser) => isSignedIn(fleet, other, browser)),
        );
        expect(after.filter(Boolean)).toEqual([]);
      };
      await vi.waitFor(expectAllEnded, { timeout: 15_000, interval: 500 });
    });
  });
}

async function another(fleet: Fleet<number>, sub = AMARA): Promise<Browser> {
  const browser = new Browser();
  browser.user = { sub };
  const { status, body } = await browser.visit(`${fleet.url}/account`);
  expect([status, status === 200 ? "" : body]).toEqual([200, ""]);
  return browser;
}

const isSignedIn = async (fleet: Fleet<number>, app: AppProcess, browser: Browser): Promise<boolean> =>
  (await fleet.me(app, browser)).isAuthenticated;

const list = async (app: AppProcess, browser: Browser): Promise<SessionInfo[]> =>
  JSON.parse((await browser.fetch(`${app.url}/sessions`)).body);

const post = (app: AppProcess, token: string) =>
  fetch(`${app.url}/backchannel-logout`, {
    method: "POST",
    body: new URLSearchParams({ logout_token: token }),
  });

const OWN_SESSION: SessionKind = ["our session", undefined];
const APP_SESSION: SessionKind = ["the application's session in our store", "createStore"];

describeWithRedis("on Redis", (redis) => {
  const others: SessionKind[] = [
    ["the application's session with connect-redis", "connect-redis"],
    ["the application's session in a slow store", "another"],
  ];
  describeProcesses(() => redis().url, [OWN_SESSION, APP_SESSION, ...others]);
});
describeWithPostgres("on PostgreSQL", (postgres) => {
  describeProcesses(
    () => postgres().url,
    [OWN_SESSION, APP_SESSION, ["the application's session with connect-pg-simple", "connect-pg-simple"]],
  );
});
