import { describe, expect, test } from "vitest";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, type FleetOptions, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// Several processes of one application, with a real store.

const SECONDS_UNTIL_TOKEN_EXPIRED = 301;
/** A refresh claim of this age has expired, even if the clocks of two machines differ by minutes. */
const SECONDS_UNTIL_CLAIM_EXPIRED = 601;

interface Setup {
  readonly name: string;
  /** The application's session; undefined for that of portalAuth(). "foreign": a store of another package. */
  readonly session?: Omit<AppSession, "kind" | "url"> & { readonly kind: "createStore" | "foreign" };
}

const IN_OUR_STORE: Setup[] = [
  { name: "our session" },
  { name: "the app's session in our store", session: { kind: "createStore" } },
  {
    name: "the app's session in our store with resave and rolling",
    session: { kind: "createStore", resave: true, rolling: true, maxAge: 60_000 },
  },
];

const IN_FOREIGN_STORE: Setup[] = [
  { name: "the app's session in its own store", session: { kind: "foreign" } },
  {
    name: "the app's session in its own store with resave and rolling",
    session: { kind: "foreign", resave: true, rolling: true, maxAge: 60_000 },
  },
];

function testProcesses(foreignKind: AppSession["kind"], url: () => string): void {
  describe.each([...IN_OUR_STORE, ...IN_FOREIGN_STORE])("$name", ({ session }) => {
    const isForeign = session?.kind === "foreign";

    async function start<Count extends number>(
      count: Count,
      options: FleetOptions = {},
    ): Promise<Fleet<Count>> {
      const fleet = await startFleet(count, {
        ...options,
        provider: { rotateRefreshTokens: true, ...options.provider },
        options: { store: url(), ...options.options },
        session: session && {
          ...session,
          kind: session.kind === "foreign" ? foreignKind : session.kind,
          url: url(),
        },
      });
      await fleet.browser.visit(`${fleet.url}/account`);
      return fleet;
    }

    test("200 requests to four processes cause one refresh, and all get the new token", async () => {
      const fleet = await start(4);
      const before = (await fleet.me(fleet.apps[0] as AppProcess)).tokens?.access_token;
      await expireTokens(fleet);
      const requests = fleet.apps.flatMap((app) => Array.from({ length: 50 }, () => fleet.token(app)));
      const tokens = new Set(await Promise.all(requests));
      expect([tokens.size, tokens.has(before ?? ""), countRefreshes(fleet)]).toEqual([1, false, 1]);
    }, 60_000);

    test("a request that has loaded the session before a refresh does not refresh again", async () => {
      const fleet = await start(2);
      const [first, second] = fleet.apps;
      const held = await second.hold(fleet.browser, { key: "cart", value: "book", token: true });
      await expireTokens(fleet);
      const token = await fleet.token(first);
      expect((await held.release()).status).toBe(200);
      expect([await fleet.token(second), countRefreshes(fleet)]).toEqual([token, 1]);
    });

    test.each([
      ["when its response ends", false],
      ["with save()", true],
    ])(
      "a request that saves an old copy of the session %s keeps the new tokens and its own change",
      async (_when, save) => {
        const fleet = await start(2);
        const [first, second] = fleet.apps;
        const held = await second.hold(fleet.browser, { key: "cart", value: "book", save });
        await expireTokens(fleet);
        const token = await fleet.token(first);
        expect((await held.release()).status).toBe(200);
        for (const app of fleet.apps) {
          expect(await fleet.session(app)).toMatchObject({ cart: "book" });
          expect((await fleet.me(app)).tokens?.access_token).toBe(token);
        }
        // The provider would reject the old refresh token, if it was in the record again.
        await expireTokens(fleet);
        expect(await fleet.token(first)).not.toBe(token);
        expect(countRefreshes(fleet)).toBe(2);
      },
    );

    // In a foreign store, express-session saves the whole session, so the last request overwrites the others.
    const testInOurStore = isForeign ? () => {} : test;
    testInOurStore("changes of concurrent requests in several processes are all saved", async () => {
      const fleet = await start(2);
      const held = await Promise.all(
        fleet.apps.flatMap((app, index) =>
          ["a", "b", "c"].map((key) => app.hold(fleet.browser, { key: `${key}${index}`, value: key })),
        ),
      );
      await Promise.all(held.map((request) => request.release()));
      const session = await fleet.session(fleet.apps[0]);
      expect(session).toMatchObject({ a0: "a", b0: "b", c0: "c", a1: "a", b1: "b", c1: "c" });
    });

    test.each([
      ["when its response ends", false],
      ["with save()", true],
    ])("a session that has ended stays ended if a concurrent request saves %s", async (_when, save) => {
      const fleet = await start(2);
      const [first, second] = fleet.apps;
      const attacker = copyBrowser(fleet.browser, fleet.url);
      const held = await second.hold(fleet.browser, { key: "cart", value: "book", save });
      await fleet.browser.navigate(`${first.url}/logout`, { site: "same-origin" });
      await held.release();
      for (const app of fleet.apps) {
        expect((await fleet.me(app, await attacker)).isAuthenticated).toBe(false);
        expect(await fleet.session(app, await attacker)).not.toHaveProperty("cart");
      }
    });

    test("a killed process blocks the refresh of the others only until its claim has expired", async () => {
      const fleet = await start(2);
      const [first, second] = fleet.apps;
      await expireTokens(fleet);
      const arrived = new Promise<void>((resolve) => {
        // The handler never responds.
        fleet.provider.answerNext("/oauth2/token", () => resolve());
      });
      const failed = expect(fleet.token(first)).rejects.toThrow("socket hang up");
      await arrived;
      await first.stop();
      await failed;
      let hasToken = false;
      const token = fleet.token(second).finally(() => {
        hasToken = true;
      });
      // After this request, the process has had time to check the claim.
      await fleet.me(second);
      expect(hasToken).toBe(false);
      await second.later(SECONDS_UNTIL_CLAIM_EXPIRED);
      expect(await token).toBe((await fleet.me(second)).tokens?.access_token);
      // The first one is that of the killed process, which the provider has not answered.
      expect(countRefreshes(fleet)).toBe(2);
    });
  });
}

const expireTokens = (fleet: Fleet<number>) =>
  Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(SECONDS_UNTIL_TOKEN_EXPIRED)));

const countRefreshes = (fleet: Fleet<number>) =>
  fleet.asked("/oauth2/token").filter(({ body }) => body.includes("grant_type=refresh_token")).length;

/** Creates a browser with the same cookies. */
async function copyBrowser(browser: Browser, url: string): Promise<Browser> {
  const copy = new Browser();
  for (const cookie of await browser.jar.getCookies(url)) await copy.jar.setCookie(cookie.toString(), url);
  return copy;
}

describeWithRedis("on Redis", (redis) => testProcesses("connect-redis", () => redis().url));
describeWithPostgres("on PostgreSQL", (postgres) => testProcesses("connect-pg-simple", () => postgres().url));
