import { expect, test } from "vitest";
import type { AppProcess } from "../support/app-process.js";
import { startFleet } from "../support/fleet.js";
import { describeWithRedis } from "../support/servers/describe.js";

// In a file of its own, as it waits for half a minute: others run meanwhile.

const TOKEN_SECONDS = 300;
const CLAIM_MS = 30_000;

describeWithRedis("a process that is killed during a refresh", (redis) => {
  /** The provider has got the request and never answers. `later` is the age of the access token, in seconds. */
  async function killDuringRefresh(later: number) {
    const fleet = await startFleet(2, {
      provider: { rotateRefreshTokens: true },
      options: { store: redis().url },
    });
    await fleet.browser.visit(`${fleet.url}/account`);
    const [one, other] = fleet.apps;
    const before = (await fleet.me(one)).tokens?.access_token;
    await Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(later)));
    const asked = new Promise<void>((resolve) => {
      fleet.provider.answerNext("/oauth2/token", () => resolve());
    });
    const never = expect(fleet.token(one)).rejects.toThrow("socket hang up");
    await asked;
    await one.stop();
    await never;
    return { fleet, other, before };
  }

  async function timed<T>(work: Promise<T>) {
    const began = performance.now();
    const value = await work;
    return { value, tookMs: performance.now() - began };
  }

  test("holds that login for 30 s if its token has expired", async () => {
    const { fleet, other, before } = await killDuringRefresh(TOKEN_SECONDS + 1);
    const { value, tookMs } = await timed(fleet.token(other));
    expect(value).not.toBe(before);
    expect(tookMs).toBeGreaterThan(CLAIM_MS - 2000);
    expect(tookMs).toBeLessThan(CLAIM_MS + 5000);
  }, 90_000);

  test("holds nobody up while the token is good", async () => {
    const { fleet, other, before } = await killDuringRefresh(TOKEN_SECONDS - 20);
    const first = await timed(fleet.token(other));
    const second = await timed(fleet.token(other));
    expect([first.value, second.value]).toEqual([before, before]);
    expect(first.tookMs).toBeLessThan(4000);
    expect(second.tookMs).toBeLessThan(1000);
  });
});
