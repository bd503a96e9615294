import { describe, expect, test } from "vitest";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, type FleetOptions, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// What one process alone cannot show: several of them, with a real store.

const AFTER_THE_TOKEN = 301;
/** A claim of this age was left behind, even if the clocks of two machines are minutes apart. */
const LONG_AFTER_THE_CLAIM = 601;

interface Way {
  readonly name: string;
  /** The application's own session; undefined for that of portalAuth(). "foreign" is a store that others have written. */
  readonly session?: Omit<AppSession, "kind" | "url"> & { readonly kind: "createStore" | "foreign" };
}

const OURS: Way[] = [
  { name: "our session" },
  { name: "the app's session in a store of ours", session: { kind: "createStore" } },
  {
    name: "the app's session in a store of ours with resave and rolling",
    session: { kind: "createStore", resave: true, rolling: true, maxAge: 60_000 },
  },
];

const FOREIGN: Way[] = [
  { name: "the app's session in its own store", session: { kind: "foreign" } },
  {
    name: "the app's session in its own store with resave and rolling",
    session: { kind: "foreign", resave: true, rolling: true, maxAge: 60_000 },
  },
];

function shared(foreign: AppSession["kind"], url: () => string): void {
  describe.each([...OURS, ...FOREIGN])("$name", ({ session }) => {
    const isForeign = session?.kind === "foreign";

    async function start<Count extends number>(
      count: Count,
      given: FleetOptions = {},
    ): Promise<Fleet<Count>> {
      const fleet = await startFleet(count, {
        ...given,
        provider: { rotateRefreshTokens: true, ...given.provider },
        options: { store: url(), ...given.options },
        session: session && {
          ...session,
          kind: session.kind === "foreign" ? foreign : session.kind,
          url: url(),
        },
      });
      await fleet.browser.visit(`${fleet.url}/account`);
      return fleet;
    }

    test("four processes that are asked 50 times each cause one refresh, and everybody gets the new token", async () => {
      const fleet = await start(4);
      const before = (await fleet.me(fleet.apps[0] as AppProcess)).tokens?.access_token;
      await allLater(fleet);
      const asked = fleet.apps.flatMap((app) => Array.from({ length: 50 }, () => fleet.token(app)));
      const tokens = new Set(await Promise.all(asked));
      expect([tokens.size, tokens.has(before ?? ""), refreshes(fleet)]).toEqual([1, false, 1]);
    }, 60_000);

    test("a request that comes after the refresh with an old copy does not refresh again", async () => {
      const fleet = await start(2);
      const [one, other] = fleet.apps;
      const held = await other.hold(fleet.browser, { key: "cart", value: "book", token: true });
      await allLater(fleet);
      const token = await fleet.token(one);
      expect((await held.release()).status).toBe(200);
      expect([await fleet.token(other), refreshes(fleet)]).toEqual([token, 1]);
    });

    test.each([
      ["at its end", false],
      ["by itself", true],
    ])(
      "a request that loaded before the refresh and saves after it (%s) keeps the new tokens and its own change",
      async (_when, save) => {
        const fleet = await start(2);
        const [one, other] = fleet.apps;
        const held = await other.hold(fleet.browser, { key: "cart", value: "book", save });
        await allLater(fleet);
        const token = await fleet.token(one);
        expect((await held.release()).status).toBe(200);
        for (const app of fleet.apps) {
          expect(await fleet.session(app)).toMatchObject({ cart: "book" });
          expect((await fleet.me(app)).tokens?.access_token).toBe(token);
        }
        await allLater(fleet); // an old refresh token that had come back would be found out here
        expect(await fleet.token(one)).not.toBe(token);
        expect(refreshes(fleet)).toBe(2);
      },
    );

    // express-session writes to a store of others by itself: there the last request wins.
    const testOurs = isForeign ? () => {} : test;
    testOurs("changes of requests at the same time, in several processes, are all there", async () => {
      const fleet = await start(2);
      const held = await Promise.all(
        fleet.apps.flatMap((app, index) =>
          ["a", "b", "c"].map((key) => app.hold(fleet.browser, { key: `${key}${index}`, value: key })),
        ),
      );
      await Promise.all(held.map((request) => request.release()));
      const kept = await fleet.session(fleet.apps[0]);
      expect(kept).toMatchObject({ a0: "a", b0: "b", c0: "c", a1: "a", b1: "b", c1: "c" });
    });

    test.each([
      ["at its end", false],
      ["by itself", true],
    ])(
      "a session that was destroyed while a request was under way stays gone when that saves (%s)",
      async (_when, save) => {
        const fleet = await start(2);
        const [one, other] = fleet.apps;
        const thief = copyOf(fleet.browser, fleet.url);
        const held = await other.hold(fleet.browser, { key: "cart", value: "book", save });
        await fleet.browser.navigate(`${one.url}/logout`, { site: "same-origin" });
        await held.release();
        for (const app of fleet.apps) {
          expect((await fleet.me(app, await thief)).isAuthenticated).toBe(false);
          expect(await fleet.session(app, await thief)).not.toHaveProperty("cart");
        }
      },
    );

    test("a process that is killed in the middle of a refresh does not hold the others up for ever", async () => {
      const fleet = await start(2);
      const [one, other] = fleet.apps;
      await allLater(fleet);
      const asked = new Promise<void>((resolve) => {
        fleet.provider.answerNext("/oauth2/token", () => resolve()); // and never answers
      });
      const never = expect(fleet.token(one)).rejects.toThrow("socket hang up");
      await asked;
      await one.stop();
      await never;
      let came = false;
      const token = fleet.token(other).finally(() => {
        came = true;
      });
      await fleet.me(other); // it has had time to look
      expect(came).toBe(false);
      await other.later(LONG_AFTER_THE_CLAIM);
      expect(await token).toBe((await fleet.me(other)).tokens?.access_token);
      expect(refreshes(fleet)).toBe(2); // that of the dead, which the portal did not act on, and its successor's
    });
  });
}

const allLater = (fleet: Fleet<number>) =>
  Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(AFTER_THE_TOKEN)));

const refreshes = (fleet: Fleet<number>) =>
  fleet.asked("/oauth2/token").filter(({ body }) => body.includes("grant_type=refresh_token")).length;

/** A browser with the same cookies, which keeps them. */
async function copyOf(browser: Browser, url: string): Promise<Browser> {
  const copy = new Browser();
  for (const cookie of await browser.jar.getCookies(url)) await copy.jar.setCookie(cookie.toString(), url);
  return copy;
}

describeWithRedis("on Redis", (redis) => shared("connect-redis", () => redis().url));
describeWithPostgres("on PostgreSQL", (postgres) => shared("connect-pg-simple", () => postgres().url));
