import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AppProcess, AppSession } from "../../support/app-process.js";
import { Browser } from "../../support/browser.js";
import { startFleet } from "../../support/fleet.js";
import { describeWithRedis } from "../../support/servers/describe.js";

/** More than a logout ends at once. */
const DEVICES = 120;

const SESSIONS: [string, AppSession["kind"] | undefined][] = [
  ["our session", undefined],
  ["the app's session in a store of ours", "createStore"],
  ["the app's session with connect-redis", "connect-redis"],
  ["the app's session in a slow store", "another"],
];

describeWithRedis("a process that stands still", (redis) => {
  describe.each(SESSIONS)("with %s", (_name, kind) => {
    test.each([
      ["at its end", false],
      ["by itself", true],
    ])(
      "brings back no login that has ended meanwhile, when it goes on and saves (%s)",
      async (_when, save) => {
        const { url } = redis();
        const fleet = await startFleet(2, {
          options: { store: url },
          ...(kind && { session: { kind, url } }),
        });
        const [one, other] = fleet.apps;
        await fleet.browser.visit(`${fleet.url}/account`);
        const thief = new Browser();
        for (const cookie of await fleet.browser.jar.getCookies(fleet.url))
          await thief.jar.setCookie(cookie.toString(), fleet.url);
        const held = await other.hold(fleet.browser, { key: "cart", value: "book", save });
        other.kill("SIGSTOP");
        await fleet.browser.navigate(`${one.url}/logout`, { site: "same-origin" });
        other.kill("SIGCONT");
        await held.release();
        for (const app of fleet.apps) {
          expect((await fleet.me(app, thief)).isAuthenticated).toBe(false);
          expect(await fleet.session(app, thief)).not.toHaveProperty("cart");
        }
      },
    );
  });

  test("or is killed during a logout everywhere: a repeated logout ends the sessions that are left", async () => {
    const { url } = redis();
    const fleet = await startFleet(2, { options: { store: url } });
    const [one, other] = fleet.apps;
    const client = await createClient({ url }).connect();
    onTestFinished(() => client.destroy());
    const left = async () => (await client.keys("portal:s:*")).length;
    const before = await left();
    const devices = Array.from({ length: DEVICES }, () => new Browser());
    for (let n = 0; n < DEVICES; n += 10)
      await Promise.all(devices.slice(n, n + 10).map((device) => device.visit(`${fleet.url}/account`)));
    const [device = new Browser()] = devices;
    const leaveEverywhere = (app: AppProcess) =>
      device.fetch(`${app.url}/leave-everywhere`, { method: "POST" });
    const cut = leaveEverywhere(other).catch(() => {});
    while ((await left()) === before + DEVICES); // until it has ended the first ones
    other.kill();
    await cut;
    await leaveEverywhere(one); // this session ends last, so it can repeat the logout
    expect(await left()).toBe(before);
  });
});
