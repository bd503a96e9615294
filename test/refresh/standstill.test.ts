import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { createClient } from "redis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, type FleetOptions, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// A store or a process stands still during a refresh. The provider ends a login if a refresh token is used twice.

const AFTER_THE_TOKEN = 301;
const STORE_STANDS_STILL_MS = 7000;
const PROCESS_STANDS_STILL_MS = 8000;
const LOGINS = 30;

const refreshes = (fleet: Fleet<number>) =>
  fleet.asked("/oauth2/token").filter(({ body }) => body.includes("grant_type=refresh_token")).length;

const allLater = (fleet: Fleet<number>) =>
  Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(AFTER_THE_TOKEN)));

/** Two processes with so many logins whose tokens have expired, and a provider that answers in one second. */
async function startTwo(count: number, given: FleetOptions) {
  const fleet = await startFleet(2, { ...given, provider: { rotateRefreshTokens: true } });
  const browsers = Array.from({ length: count }, () => new Browser());
  for (const browser of browsers) await browser.visit(`${fleet.url}/account`);
  await allLater(fleet);
  fleet.provider.slowDown(1000, "/oauth2/token");
  const arrived = () =>
    vi.waitFor(() => expect(refreshes(fleet)).toBe(count), { timeout: 10_000, interval: 5 });
  return { fleet, browsers, arrived };
}

/** Each login is good at the provider: a further refresh of it succeeds. */
async function expectAllToLive(fleet: Fleet<2>, browsers: Browser[]): Promise<void> {
  const count = browsers.length;
  const [one, other] = fleet.apps;
  const tokens = (app: AppProcess) => Promise.all(browsers.map((browser) => fleet.token(app, browser)));
  const before = await tokens(one);
  expect(await tokens(other)).toEqual(before);
  expect(refreshes(fleet)).toBe(count);
  await allLater(fleet);
  const after = await tokens(other);
  expect(after.filter((token) => before.includes(token))).toEqual([]);
  expect(refreshes(fleet)).toBe(2 * count);
}

/** A session of ours, or an application's own one, beside which the logins are kept. */
type Kind = "our session" | AppSession["kind"];

const optionsFor = (kind: Kind, url: string): FleetOptions => ({
  options: { store: url },
  ...(kind !== "our session" && { session: { kind, url } }),
});

/** Both processes need tokens for each login, and the store stands still while the provider answers. */
async function refreshWhileStoreStandsStill(
  given: FleetOptions,
  standsStill: () => Promise<void>,
): Promise<void> {
  const { fleet, browsers, arrived } = await startTwo(LOGINS, given);
  const asked = fleet.apps.flatMap((app) => browsers.map((browser) => fleet.token(app, browser)));
  const answered = Promise.allSettled(asked);
  await arrived();
  await standsStill();
  await answered; // by then PostgreSQL's driver may have given up some requests
  await expectAllToLive(fleet, browsers);
}

describeWithRedis("Redis", (redis) => {
  test.each<Kind>(["our session", "connect-redis"])(
    "that stands still for 7 s revokes no login (%s)",
    async (kind) => {
      const client = createClient({ url: redis().url });
      await client.connect();
      onTestFinished(() => client.destroy());
      await refreshWhileStoreStandsStill(optionsFor(kind, redis().url), async () => {
        await client.sendCommand(["CLIENT", "PAUSE", String(STORE_STANDS_STILL_MS)]);
      });
    },
    60_000,
  );

  test.each([
    ["shorter", 5],
    ["longer", 10],
  ])(
    "and a process that stands still for 8 s: the other one waits for it (PORTAL_HTTP_TIMEOUT is %s)",
    async (_which, httpTimeout) => {
      const given = { options: { store: redis().url, httpTimeout } };
      const { fleet, browsers, arrived } = await startTwo(LOGINS, given);
      const [one, other] = fleet.apps;
      const asked = browsers.map((browser) => fleet.token(one, browser));
      await arrived();
      one.kill("SIGSTOP");
      const waiting = browsers.map((browser) => fleet.token(other, browser));
      await sleep(PROCESS_STANDS_STILL_MS);
      one.kill("SIGCONT");
      expect(await Promise.all(waiting)).toEqual(await Promise.all(asked));
      await expectAllToLive(fleet, browsers);
    },
    60_000,
  );
});

describeWithPostgres("PostgreSQL", (postgres) => {
  test.each<[Kind, locked: string]>([
    ["our session", "portal_session"],
    ["connect-pg-simple", "portal_session, session"],
  ])(
    "whose tables are locked for 7 s revokes no login (%s)",
    async (kind, locked) => {
      const client = new pg.Client({ connectionString: postgres().url });
      await client.connect();
      onTestFinished(() => client.end());
      await refreshWhileStoreStandsStill(optionsFor(kind, postgres().url), async () => {
        await client.query(`BEGIN; LOCK TABLE ${locked} IN ACCESS EXCLUSIVE MODE`);
        await sleep(STORE_STANDS_STILL_MS);
        await client.query("COMMIT");
      });
    },
    60_000,
  );
});
