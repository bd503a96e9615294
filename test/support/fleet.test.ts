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

test("an app that cannot start reports the reason", async () => {
  await expect(startFleet(1, { options: { secret: "short" } })).rejects.toThrow(
    /has ended \(1\):(.|\n)*SESSION_SECRET/,
  );
});

test("a request on hold has loaded its session, and continues when the test releases it", async () => {
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
  describeSharedLogins(() => redis().url, ["connect-redis", "another", "createStore"]);
});

describeWithPostgres("an app on PostgreSQL", (postgres) => {
  describeSharedLogins(() => postgres().url, ["connect-pg-simple", "createStore"]);
});

function describeSharedLogins(getUrl: () => string, kinds: readonly AppSession["kind"][]): void {
  const expectSharedLogin = async (options: FleetOptions) => {
    const { apps, browser, me, startMore } = await startFleet(2, options);
    const [, other] = apps;
    await browser.visit(`${other.url}/account`);
    const [added] = await startMore(1);
    for (const app of [...apps, added]) expect(await me(app)).toMatchObject({ isAuthenticated: true });
  };

  test("shares a login with all its processes, also with one that starts later", async () => {
    await expectSharedLogin({ options: { store: getUrl() } });
  });

  test.each(kinds)("shares a login if it mounts express-session with %s", async (kind) => {
    const url = getUrl();
    const isOurs = kind === "createStore"; // its login is in the same entry as the session
    await expectSharedLogin({ session: { kind, url }, ...(!isOurs && { options: { store: url } }) });
  });
}
