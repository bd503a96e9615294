import { expect, test, vi } from "vitest";
import { type LoggedIn, logIn } from "../../access/signed-in-request.js";
import { fakeTimeouts } from "../../support/fake-time.js";
import { createGate } from "../../support/gate.js";

/** Starts a world with three sessions, an onLogout hook that never returns, and fake timers. */
async function start() {
  const called = createGate();
  const onLogout = vi.fn(() => {
    called.open();
    return new Promise<void>(() => {});
  });
  const world = await logIn({ options: { hooks: { onLogout } }, log: [/hook_failed/] });
  for (let count = 0; count < 2; count += 1) await world.another();
  fakeTimeouts();
  return { world, onLogout, called };
}

const LOGOUTS: [string, number, (world: LoggedIn) => Promise<{ status: number }>][] = [
  ["of one session", 1, ({ browser, url }) => browser.navigate(`${url}/logout`, { site: "same-origin" })],
  [
    "on all devices",
    3,
    async ({ inRequest, browser }) => {
      await inRequest((req) => req.portal.logout({ everywhere: true }));
      return browser.answers.at(-1) ?? { status: 0 };
    },
  ],
];

test.each(LOGOUTS)(
  "an onLogout hook that never returns delays a logout %s for 5 s, but not the revocation",
  async (_scope, sessions, logOut) => {
    const { world, called, onLogout } = await start();
    const response = logOut(world);
    await called.opened;
    // waitFor() advances the fake timers by 1 s at most.
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(sessions));
    let hasResponded = false;
    void response.then(() => {
      hasResponded = true;
    });
    await vi.advanceTimersByTimeAsync(3000);
    expect(hasResponded).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    vi.useRealTimers();
    expect((await response).status).toBeLessThan(400);
    expect(await world.stored()).toHaveLength(3 - sessions);
    expect(onLogout).toHaveBeenCalled();
  },
);

test("an onLogout hook that never returns is called for the other sessions too", async () => {
  const accessTokens: string[] = [];
  const onLogout = ({ tokens }: { tokens: { access_token: string } }) => {
    accessTokens.push(tokens.access_token);
    return new Promise<void>(() => {});
  };
  const world = await logIn({ options: { hooks: { onLogout } }, log: [/hook_failed/] });
  await world.another();
  fakeTimeouts();
  const logout = world.inRequest((req) => req.portal.logout({ everywhere: true }));
  await vi.waitFor(() => expect(accessTokens).toHaveLength(1));
  await vi.advanceTimersByTimeAsync(5000);
  await logout;
  expect(new Set(accessTokens).size).toBe(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(world.log.filter((line) => line.includes("onLogout did not return within 5 s"))).toHaveLength(2);
});
