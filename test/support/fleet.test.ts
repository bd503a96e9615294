import { expect, test } from "vitest";
import type { AppSession } from "./app-process.js";
import { type FleetOptions, startFleet } from "./fleet.js";
import { describeWithPostgres, describeWithRedis } from "./servers/describe.js";

test("a browser signs in at an app in another process, whose log is complete after its end", async () => {
  const { url, apps, browser, me } = await startFleet(1);
  const [app] = apps;
  expect((await browser.visit(`${url}/account`)).body).toBe('{"sub":"amara-okafor"}');
  expect(await me(app)).toMatchObject({ isAuthenticated: true, claims: { sub: "amara-okafor" } });
  await app.stop();
  expect(await app.exited).toEqual({ code: null, signal: "SIGKILL" });
  expect(app.log).toEqual([expect.stringContaining("memory of this process")]);
  await expect(me(app)).rejects.toThrow("ECONNREFUSED");
});

test("an app that cannot start says why", async () => {
  await expect(startFleet(1, { options: { secret: "short" } })).rejects.toThrow(
    /has ended \(1\):(.|\n)*SESSION_SECRET/,
  );
});

test("a request is held after it has loaded its session, and goes on when the test says so", async () => {
  const { apps, browser, session } = await startFleet(1, { session: { kind: "memory" } });
  const [app] = apps;
  const heldRequest = await app.hold(browser, { key: "visits", value: "1" });
  const first = await heldRequest.release(); // creates the session that both share
  expect(first).toMatchObject({ status: 200, body: '{"visits":"1"}' });
  const slow = await app.hold(browser, { key: "cart", value: "slow" });
  const quick = await app.hold(browser, { key: "cart", value: "quick", save: true });
  await quick.release();
  expect(await session(app)).toMatchObject({ cart: "quick", visits: "1" });
  await slow.release();
  expect(await session(app)).toMatchObject({ cart: "slow", visits: "1" });
});

test("a request on hold and a new one reject when the process is killed", async () => {
  const { apps, browser } = await startFleet(1);
  const [app] = apps;
  const held = await app.hold(browser, { key: "cart", value: "lost" });
  await app.stop();
  await expect(held.release()).rejects.toThrow("socket hang up");
  await expect(app.hold(browser, { key: "cart", value: "lost" })).rejects.toThrow(
    "the app has ended (SIGKILL)",
  );
});

describeWithRedis("an app on Redis", (redis) => {
  knownToAll(() => redis().url, ["connect-redis", "another", "createStore"]);
});

describeWithPostgres("an app on PostgreSQL", (postgres) => {
  knownToAll(() => postgres().url, ["connect-pg-simple", "createStore"]);
});

function knownToAll(address: () => string, kinds: readonly AppSession["kind"][]): void {
  const knownTo = async (given: FleetOptions) => {
    const { apps, browser, me, startMore } = await startFleet(2, given);
    const [, other] = apps;
    await browser.visit(`${other.url}/account`);
    const [later] = await startMore(1);
    for (const app of [...apps, later]) expect(await me(app)).toMatchObject({ isAuthenticated: true });
  };

  test("knows a login of one of its processes in all of them, also in one that starts later", async () => {
    await knownTo({ options: { store: address() } });
  });

  test.each(kinds)("also if it mounts express-session with %s", async (kind) => {
    const url = address();
    const isOurs = kind === "createStore"; // its login is in the same entry as the session
    await knownTo({ session: { kind, url }, ...(!isOurs && { options: { store: url } }) });
  });
}
