import { expect, test } from "vitest";
import type { AppProcess } from "../support/app-process.js";
import { startFleet } from "../support/fleet.js";
import { describeWithRedis } from "../support/servers/describe.js";

// This test has its own file, because it waits for 30 s and other files can run meanwhile.

const TOKEN_SECONDS = 300;
const CLAIM_MS = 30_000;

describeWithRedis("a process that is killed during a refresh", (redis) => {
  /**
   * Kills a process while the provider does not respond to its refresh.
   *
   * @param tokenAge in seconds
   */
  async function killDuringRefresh(tokenAge: number) {
    const fleet = await startFleet(2, {
      provider: { rotateRefreshTokens: true },
      options: { store: redis().url },
    });
    await fleet.browser.visit(`${fleet.url}/account`);
    const [killed, other] = fleet.apps;
    const before = (await fleet.me(killed)).tokens?.access_token;
    await Promise.all((fleet.apps as AppProcess[]).map((app) => app.later(tokenAge)));
    const requested = new Promise<void>((resolve) => {
      fleet.provider.answerNext("/oauth2/token", () => resolve());
    });
    const failing = expect(fleet.token(killed)).rejects.toThrow("socket hang up");
    await requested;
    await killed.stop();
    await failing;
    return { fleet, other, before };
  }

  async function measure<T>(work: Promise<T>) {
    const startedAt = performance.now();
    const value = await work;
    return { value, tookMs: performance.now() - startedAt };
  }

  test("delays a refresh of that login by 30 s if its access token has expired", async () => {
    const { fleet, other, before } = await killDuringRefresh(TOKEN_SECONDS + 1);
    const { value, tookMs } = await measure(fleet.token(other));
    expect(value).not.toBe(before);
    expect(tookMs).toBeGreaterThan(CLAIM_MS - 2000);
    expect(tookMs).toBeLessThan(CLAIM_MS + 5000);
  }, 90_000);

  test("delays no request while the access token is valid", async () => {
    const { fleet, other, before } = await killDuringRefresh(TOKEN_SECONDS - 20);
    const first = await measure(fleet.token(other));
    const second = await measure(fleet.token(other));
    expect([first.value, second.value]).toEqual([before, before]);
    expect(first.tookMs).toBeLessThan(4000);
    expect(second.tookMs).toBeLessThan(1000);
  });
});
