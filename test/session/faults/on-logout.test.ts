import { expect, test, vi } from "vitest";
import { type LoggedIn, logIn } from "../../access/signed-in-request.js";
import { fakeTimeouts } from "../../support/fake-time.js";
import { createGate } from "../../support/gate.js";

/** A hook that never returns, and fake timers. */
async function start() {
  const called = createGate();
  const onLogout = vi.fn(() => {
    called.open();
    return new Promise<void>(() => {});
  });
  const world = await logIn({ options: { hooks: { onLogout } }, log: [/hook_failed/] });
  for (let n = 0; n < 2; n += 1) await world.another();
  fakeTimeouts();
  return { world, onLogout, called };
}

const LOGOUTS: [string, number, (world: LoggedIn) => Promise<{ status: number }>][] = [
  ["of one session", 1, ({ browser, url }) => browser.navigate(`${url}/logout`, { site: "same-origin" })],
  [
    "everywhere",
    3,
    async ({ inRequest, browser }) => {
      await inRequest((req) => req.portal.logout({ everywhere: true }));
      return browser.answers.at(-1) ?? { status: 0 };
    },
  ],
];

test.each(LOGOUTS)(
  "an onLogout hook that hangs holds up a logout %s for 5 s, and no revocation waits for it",
  async (_which, sessions, logOut) => {
    const { world, called, onLogout } = await start();
    const answer = logOut(world);
    await called.opened;
    await vi.waitFor(() => expect(world.asked("/oauth2/revoke")).toHaveLength(sessions)); // advances the timers by 1 s at most
    let isAnswered = false;
    void answer.then(() => {
      isAnswered = true;
    });
    await vi.advanceTimersByTimeAsync(3000);
    expect(isAnswered).toBe(false);
    await vi.advanceTimersByTimeAsync(2000);
    vi.useRealTimers();
    expect((await answer).status).toBeLessThan(400);
    expect(await world.stored()).toHaveLength(3 - sessions);
    expect(onLogout).toHaveBeenCalled();
  },
);

test("an onLogout hook that hangs does not keep the hook from other sessions", async () => {
  const subs: string[] = [];
  const onLogout = ({ tokens }: { tokens: { access_token: string } }) => {
    subs.push(tokens.access_token);
    return new Promise<void>(() => {});
  };
  const world = await logIn({ options: { hooks: { onLogout } }, log: [/hook_failed/] });
  await world.another();
  fakeTimeouts();
  const answer = world.inRequest((req) => req.portal.logout({ everywhere: true }));
  await vi.waitFor(() => expect(subs).toHaveLength(1));
  await vi.advanceTimersByTimeAsync(5000);
  await answer;
  expect(new Set(subs).size).toBe(2);
  await vi.advanceTimersByTimeAsync(5000);
  expect(world.log.filter((line) => line.includes("onLogout did not return within 5 s"))).toHaveLength(2);
});
