import { describe, expect, test, vi } from "vitest";
import type { SessionInfo } from "../../lib/index.js";
import { holdNext } from "../access/signed-in-request.js";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// What one process alone cannot show: sessions that one has begun and another ends, with a real store.

const AMARA = "amara-okafor";

/** Where the sessions of the app are: in a session of ours, or in an express-session of the app's own. */
type Way = [name: string, kind: AppSession["kind"] | undefined];

function shared(address: () => string, ways: Way[]): void {
  describe.each(ways)("%s:", (_name, kind) => {
    async function start<Count extends number>(count: Count): Promise<Fleet<Count>> {
      const url = address();
      const fleet = await startFleet(count, {
        portal: { document: "full" },
        options: {
          profile: "openid",
          backchannelLogout: true,
          ...(kind !== "createStore" && { store: url }),
        },
        session: kind && { kind, url },
      });
      fleet.browser.person = { sub: AMARA };
      await fleet.browser.visit(`${fleet.url}/account`);
      return fleet;
    }

    test("a back-channel logout at one process ends what others have begun, and the same token is good once among all", async () => {
      const fleet = await start(4);
      const browsers = [
        fleet.browser,
        await another(fleet),
        await another(fleet),
        await another(fleet, "jonas-weber"),
      ];
      const token = fleet.portal.logoutToken(
        { sub: AMARA },
        { claims: { iat: Math.floor(Date.now() / 1000) - 5 } },
      );
      expect((await post(fleet.apps[2] as AppProcess, token)).status).toBe(200);
      for (const app of fleet.apps)
        expect(await Promise.all(browsers.map((browser) => isIn(fleet, app, browser)))).toEqual([
          false,
          false,
          false,
          true,
        ]);
      await fleet.browser.visit(`${fleet.url}/account`);
      expect((await post(fleet.apps[3] as AppProcess, token)).status).toBe(400);
      expect(await isIn(fleet, fleet.apps[1] as AppProcess, fleet.browser)).toBe(true);
    });

    test("logging out everywhere at one process ends them all, and what another is just doing undoes none of it", async () => {
      const fleet = await start(2);
      const [one, other] = fleet.apps;
      const elsewhere = await another(fleet);
      const held = await other.hold(elsewhere, { key: "cart", value: "book", save: true });
      expect((await fleet.browser.fetch(`${one.url}/leave-everywhere`, { method: "POST" })).status).toBe(200);
      await held.release();
      for (const app of fleet.apps)
        expect([await isIn(fleet, app, elsewhere), await isIn(fleet, app, fleet.browser)]).toEqual([
          false,
          false,
        ]);
    });

    test("a login that one process is just making is ended by a logout at another", async () => {
      const fleet = await start(2);
      const browser = new Browser();
      browser.person = { sub: AMARA };
      const hold = holdNext(fleet.portal, "/oauth2/token", "answered");
      const login = browser.visit(`${fleet.url}/account`);
      await hold.arrived;
      expect((await post(fleet.apps[1], fleet.portal.logoutToken({ sub: AMARA }))).status).toBe(200);
      hold.letGo();
      expect((await login).status).toBe(401);
      for (const app of fleet.apps) expect(await isIn(fleet, app, browser)).toBe(false);
    });

    test("of twenty logins at the same moment none is missing in the list", async () => {
      const fleet = await start(2);
      const browsers = await Promise.all(Array.from({ length: 20 }, () => another(fleet)));
      for (const [index, app] of (fleet.apps as AppProcess[]).entries()) {
        const sessions = await list(app, browsers[index] as Browser);
        expect([sessions.length, sessions.filter(({ is_current }) => is_current).length]).toEqual([21, 1]);
      }
    });

    test("a second try ends the sessions that a killed process has left", async () => {
      const fleet = await start(2);
      const browsers = await Promise.all(Array.from({ length: 30 }, () => another(fleet)));
      const token = fleet.portal.logoutToken({ sub: AMARA });
      const [one, other] = fleet.apps;
      const answer = post(one, token).catch(() => undefined);
      while (await isIn(fleet, other, browsers[0] as Browser)); // until the first session has ended
      await one.stop();
      await answer;
      const areAllOut = async () => {
        await post(other, token); // 400 while the first use is in progress, or if it has ended all sessions
        const after = await Promise.all(
          [fleet.browser, ...browsers].map((browser) => isIn(fleet, other, browser)),
        );
        expect(after.filter(Boolean)).toEqual([]);
      };
      await vi.waitFor(areAllOut, { timeout: 15_000, interval: 500 });
    });
  });
}

async function another(fleet: Fleet<number>, sub = AMARA): Promise<Browser> {
  const browser = new Browser();
  browser.person = { sub };
  await browser.visit(`${fleet.url}/account`);
  return browser;
}

const isIn = async (fleet: Fleet<number>, app: AppProcess, browser: Browser): Promise<boolean> =>
  (await fleet.me(app, browser)).isAuthenticated;

const list = async (app: AppProcess, browser: Browser): Promise<SessionInfo[]> =>
  JSON.parse((await browser.fetch(`${app.url}/sessions`)).body);

const post = (app: AppProcess, token: string) =>
  fetch(`${app.url}/backchannel-logout`, {
    method: "POST",
    body: new URLSearchParams({ logout_token: token }),
  });

const OURS: Way = ["our session", undefined];
const APPS: Way = ["the app's session in our store", "createStore"];

describeWithRedis("on Redis", (redis) => {
  const others: Way[] = [
    ["the app's session with connect-redis", "connect-redis"],
    ["the app's session in a slow store", "another"],
  ];
  shared(() => redis().url, [OURS, APPS, ...others]);
});
describeWithPostgres("on PostgreSQL", (postgres) => {
  shared(
    () => postgres().url,
    [OURS, APPS, ["the app's session with connect-pg-simple", "connect-pg-simple"]],
  );
});
