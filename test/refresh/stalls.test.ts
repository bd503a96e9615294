import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { createClient } from "redis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { AppProcess, AppSession } from "../support/app-process.js";
import { Browser } from "../support/browser.js";
import { type Fleet, type FleetOptions, startFleet } from "../support/fleet.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";

// A store or a process stands still during a refresh. The provider revokes a login if a refresh token is used
// twice.

const AFTER_EXPIRY_SECONDS = 301;
const STORE_STALL_MS = 7000;
const PROCESS_STALL_MS = 8000;
const LOGINS = 30;

const countRefreshes = (fleet: Fleet<number>) =>
  fleet.asked("/oauth2/token").filter(({ body }) => body.includes("grant_type=refresh_token")).length;

const expireTokens = (fleet: Fleet<number>) =>
  Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(AFTER_EXPIRY_SECONDS)));

/** Starts two processes with logins whose tokens have expired. The provider responds after one second. */
async function startTwo(count: number, options: FleetOptions) {
  const fleet = await startFleet(2, { ...options, provider: { rotateRefreshTokens: true } });
  const browsers = Array.from({ length: count }, () => new Browser());
  for (const browser of browsers) await browser.visit(`${fleet.url}/account`);
  await expireTokens(fleet);
  fleet.provider.slowDown(1000, "/oauth2/token");
  const waitForRequests = () =>
    vi.waitFor(() => expect(countRefreshes(fleet)).toBe(count), { timeout: 10_000, interval: 5 });
  return { fleet, browsers, waitForRequests };
}

/** Expects that the provider has revoked no login: another refresh of each login succeeds. */
async function expectNoneRevoked(fleet: Fleet<2>, browsers: Browser[]): Promise<void> {
  const count = browsers.length;
  const [first, second] = fleet.apps;
  const getTokens = (app: AppProcess) => Promise.all(browsers.map((browser) => fleet.token(app, browser)));
  const before = await getTokens(first);
  expect(await getTokens(second)).toEqual(before);
  expect(countRefreshes(fleet)).toBe(count);
  await expireTokens(fleet);
  const after = await getTokens(second);
  expect(after.filter((token) => before.includes(token))).toEqual([]);
  expect(countRefreshes(fleet)).toBe(2 * count);
}

/** The session of this package, or of the application. */
type Kind = "own session" | AppSession["kind"];

const createOptions = (kind: Kind, url: string): FleetOptions => ({
  options: { store: url },
  ...(kind !== "own session" && { session: { kind, url } }),
});

/** Both processes refresh each login, and the store stands still before the provider responds. */
async function refreshDuringStall(options: FleetOptions, stallStore: () => Promise<void>): Promise<void> {
  const { fleet, browsers, waitForRequests } = await startTwo(LOGINS, options);
  const requests = fleet.apps.flatMap((app) => browsers.map((browser) => fleet.token(app, browser)));
  const responses = Promise.allSettled(requests);
  await waitForRequests();
  await stallStore();
  await responses; // The driver of PostgreSQL may have aborted some requests.
  await expectNoneRevoked(fleet, browsers);
}

describeWithRedis("Redis", (redis) => {
  test.each<Kind>(["own session", "connect-redis"])(
    "that stands still for 7 s revokes no login (%s)",
    async (kind) => {
      const client = createClient({ url: redis().url });
      await client.connect();
      onTestFinished(() => client.destroy());
      await refreshDuringStall(createOptions(kind, redis().url), async () => {
        await client.sendCommand(["CLIENT", "PAUSE", String(STORE_STALL_MS)]);
      });
    },
    60_000,
  );

  test.each([
    ["shorter", 5],
    ["longer", 10],
  ])(
    "and a process that stands still for 8 s: the other process waits (PORTAL_HTTP_TIMEOUT is %s)",
    async (_case, httpTimeout) => {
      const options = { options: { store: redis().url, httpTimeout } };
      const { fleet, browsers, waitForRequests } = await startTwo(LOGINS, options);
      const [first, second] = fleet.apps;
      const requests = browsers.map((browser) => fleet.token(first, browser));
      await waitForRequests();
      first.kill("SIGSTOP");
      const waiting = browsers.map((browser) => fleet.token(second, browser));
      await sleep(PROCESS_STALL_MS);
      first.kill("SIGCONT");
      expect(await Promise.all(waiting)).toEqual(await Promise.all(requests));
      await expectNoneRevoked(fleet, browsers);
    },
    60_000,
  );
});

describeWithPostgres("PostgreSQL", (postgres) => {
  test.each<[Kind, locked: string]>([
    ["own session", "portal_session"],
    ["connect-pg-simple", "portal_session, session"],
  ])(
    "whose tables are locked for 7 s revokes no login (%s)",
    async (kind, locked) => {
      const client = new pg.Client({ connectionString: postgres().url });
      await client.connect();
      onTestFinished(() => client.end());
      await refreshDuringStall(createOptions(kind, postgres().url), async () => {
        await client.query(`BEGIN; LOCK TABLE ${locked} IN ACCESS EXCLUSIVE MODE`);
        await sleep(STORE_STALL_MS);
        await client.query("COMMIT");
      });
    },
    60_000,
  );
});
