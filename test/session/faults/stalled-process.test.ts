import { createClient } from "redis";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AppProcess, AppSession } from "../../support/app-process.js";
import { Browser } from "../../support/browser.js";
import { startFleet } from "../../support/fleet.js";
import { describeWithRedis } from "../../support/servers/describe.js";

/** A logout ends fewer sessions than this at the same time. */
const DEVICES = 120;

const SESSIONS: [string, AppSession["kind"] | undefined][] = [
  ["our session", undefined],
  ["the app's session in our store", "createStore"],
  ["the app's session with connect-redis", "connect-redis"],
  ["the app's session in a slow store", "another"],
];

describeWithRedis("a stopped process", (redis) => {
  describe.each(SESSIONS)("with %s", (_name, kind) => {
    test.each([
      ["when its response ends", false],
      ["with save()", true],
    ])(
      "does not restore a login that has ended, if it continues and saves the session %s",
      async (_when, save) => {
        const { url } = redis();
        const fleet = await startFleet(2, {
          options: { store: url },
          ...(kind && { session: { kind, url } }),
        });
        const [first, second] = fleet.apps;
        await fleet.browser.visit(`${fleet.url}/account`);
        const attacker = new Browser();
        for (const cookie of await fleet.browser.jar.getCookies(fleet.url))
          await attacker.jar.setCookie(cookie.toString(), fleet.url);
        const held = await second.hold(fleet.browser, { key: "cart", value: "book", save });
        second.kill("SIGSTOP");
        await fleet.browser.navigate(`${first.url}/logout`, { site: "same-origin" });
        second.kill("SIGCONT");
        await held.release();
        for (const app of fleet.apps) {
          expect((await fleet.me(app, attacker)).isAuthenticated).toBe(false);
          expect(await fleet.session(app, attacker)).not.toHaveProperty("cart");
        }
      },
    );
  });

  test("that is killed during a logout on all devices leaves sessions for a second logout", async () => {
    const { url } = redis();
    const fleet = await startFleet(2, { options: { store: url } });
    const [first, second] = fleet.apps;
    const client = await createClient({ url }).connect();
    onTestFinished(() => client.destroy());
    const countSessions = async () => (await client.keys("portal:s:*")).length;
    const before = await countSessions();
    const devices = Array.from({ length: DEVICES }, () => new Browser());
    for (let index = 0; index < DEVICES; index += 10)
      await Promise.all(
        devices.slice(index, index + 10).map((device) => device.visit(`${fleet.url}/account`)),
      );
    const [device = new Browser()] = devices;
    const logOutEverywhere = (app: AppProcess) =>
      device.fetch(`${app.url}/leave-everywhere`, { method: "POST" });
    const aborted = logOutEverywhere(second).catch(() => {});
    // Waits until the logout has ended the first sessions.
    while ((await countSessions()) === before + DEVICES);
    second.kill();
    await aborted;
    // The session of this device ends last, so it can repeat the logout.
    await logOutEverywhere(first);
    expect(await countSessions()).toBe(before);
  }, 90_000); // 120 logins
});
