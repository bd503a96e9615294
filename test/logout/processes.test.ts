import { describe, expect, test } from "vitest";
import type { SessionInfo } from "../../lib/index.js";
import { holdNext } from "../access/logged-in.js";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// What one process alone cannot show: sessions that one has begun and another ends, with a real store.

const AMARA = "amara-okafor";

type Way = [name: string, session: Partial<AppSession> | undefined];

const WAYS: Way[] = [
  ["our session", undefined],
  ["the app's session", {}],
];

function shared(kind: AppSession["kind"], url: () => string, ways = WAYS): void {
  describe.each(ways)("%s:", (_name, session) => {
    async function start<Count extends number>(count: Count): Promise<Fleet<Count>> {
      const fleet = await startFleet(count, {
        portal: { document: "full" },
        options: {
          profile: "openid",
          backchannelLogout: true,
          ...(!session && { store: url() }),
        },
        session: session && { ...session, kind, url: url() },
      });
      fleet.browser.person = { sub: AMARA };
      await fleet.browser.visit(`${fleet.url}/account`);
      return fleet;
    }

    test("a back-channel logout at one process ends what others have begun, and the same token is good once among all", async () => {
      const fleet = await start(4);
      const browsers = [fleet.browser, await another(fleet), await another(fleet), await another(fleet, "jonas-weber")];
      const token = fleet.portal.logoutToken({ sub: AMARA }, { claims: { iat: Math.floor(Date.now() / 1000) - 5 } });
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
        expect([await isIn(fleet, app, elsewhere), await isIn(fleet, app, fleet.browser)]).toEqual([false, false]);
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

    test("a process that is killed in the middle leaves nothing behind that a second try would not end", async () => {
      const fleet = await start(2);
      const browsers = await Promise.all(Array.from({ length: 30 }, () => another(fleet)));
      const token = fleet.portal.logoutToken({ sub: AMARA });
      const [one, other] = fleet.apps;
      const answer = post(one, token).catch(() => undefined);
      while (await isIn(fleet, other, browsers[0] as Browser)); // the first of them is gone
      await one.stop();
      await answer;
      expect([200, 400]).toContain((await post(other, token)).status); // 400 where the first was done after all
      const after = await Promise.all([fleet.browser, ...browsers].map((browser) => isIn(fleet, other, browser)));
      expect(after.filter(Boolean)).toEqual([]);
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
  fetch(`${app.url}/backchannel-logout`, { method: "POST", body: new URLSearchParams({ logout_token: token }) });

describeWithRedis("on Redis", (redis) => shared("connect-redis", () => redis().url));
describeWithPostgres("on PostgreSQL", (postgres) => shared("connect-pg-simple", () => postgres().url));
describeWithRedis("in a store of another kind, with a lock", (redis) =>
  shared("another", () => redis().url, [["the app's session", { lock: "on Redis" }]]),
);
