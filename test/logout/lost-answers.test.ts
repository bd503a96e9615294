import { describe, expect, test, vi } from "vitest";
import type { LogoutContext } from "../../lib/index.js";
import { type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { listenToEvents } from "../support/events.js";
import { pauseRequest } from "./under-way.js";

// The store removes the login at a logout, but its response is lost with the connection.

const CONNECTION_LOST = new Error("the connection was lost");

const revoked = (world: LoggedIn) =>
  world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));

const logOut = ({ browser, url }: LoggedIn, who: Browser = browser) =>
  who.navigate(`${url}/logout`, { site: "same-origin" });

/**
 * Starts an application with a signed-in user.
 *
 * @param lostResponses how many responses of the store to removals are lost
 */
async function start(owner: "app" | "ours", lostResponses: number) {
  const onLogout = vi.fn((_context: LogoutContext) => {});
  const world = await logIn({
    session: owner,
    options: { hooks: { onLogout } },
    log: [/session_store_failed/],
  });
  const { refresh_token = "" } = await world.tokens();
  const remove = world.store.remove.bind(world.store);
  const failingRemove = vi.spyOn(world.store, "remove");
  for (let n = 0; n < lostResponses; n += 1)
    failingRemove.mockImplementationOnce(async (key) => {
      await remove(key);
      throw CONNECTION_LOST;
    });
  return { world, onLogout, token: refresh_token, failingRemove, remove };
}

describe.each(SESSIONS)("%s:", (_name, owner) => {
  test.each([1, 3])(
    "a logout revokes the tokens and calls the hook after %i lost responses",
    async (lostResponses) => {
      const { world, onLogout, token } = await start(owner, lostResponses);
      expect((await logOut(world)).status).toBe(303);
      expect([revoked(world), onLogout.mock.calls.length]).toEqual([[token], 1]);
      expect([(await world.me()).isAuthenticated, await world.stored()]).toEqual([false, []]);
    },
  );

  test("a logout on all devices does so for each other login, also if its own login stays", async () => {
    const { world, onLogout, failingRemove, remove } = await start(owner, 1);
    const phone = await world.another();
    const phoneToken = (await world.tokens(phone)).refresh_token;
    await world.inRequest(async (req) => {
      const own = (await world.stored()).find(({ login_id }) => login_id === req.session.portal?.login_id);
      failingRemove.mockImplementation(async (key, ...more) => {
        if (key.endsWith(String(owner === "app" ? own?.login_id : own?.session_id))) throw CONNECTION_LOST;
        return remove(key, ...more);
      });
      await req.portal.logout({ everywhere: true });
    });
    await vi.waitFor(() => expect(revoked(world)).toEqual([phoneToken]));
    expect(onLogout.mock.calls.map(([{ tokens, reason }]) => [tokens.refresh_token, reason])).toEqual([
      [phoneToken, "everywhere"],
    ]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("a logout on all devices that fails at one login ends the rest, and can be repeated", async () => {
    const { world, onLogout, token, failingRemove, remove } = await start(owner, 0);
    const phone = await world.another();
    const tablet = await world.another();
    const { refresh_token: phoneToken } = await world.tokens(phone);
    const { refresh_token: tabletToken } = await world.tokens(tablet);
    const remaining = (await world.stored()).find(({ tokens }) => tokens.refresh_token === tabletToken);
    const remainingKey = String(owner === "app" ? remaining?.login_id : remaining?.session_id);
    failingRemove.mockImplementation(async (key, ...more) => {
      if (key.endsWith(remainingKey)) throw CONNECTION_LOST;
      return remove(key, ...more);
    });
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    await vi.waitFor(() => expect(revoked(world)).toEqual([phoneToken]));
    expect(onLogout.mock.calls.map(([{ tokens }]) => tokens.refresh_token)).toEqual([phoneToken]);
    expect([(await world.me()).isAuthenticated, (await world.me(tablet)).isAuthenticated]).toEqual([
      true,
      true,
    ]);
    failingRemove.mockRestore();
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    expect(revoked(world).sort()).toEqual([phoneToken, tabletToken, token].sort());
    expect(await world.stored()).toEqual([]);
  });

  test("a logout that fails in the store revokes nothing, and succeeds later", async () => {
    const { world, onLogout, token, failingRemove } = await start(owner, 0);
    failingRemove.mockRejectedValue(CONNECTION_LOST);
    const { status, body } = await logOut(world);
    expect([status, body.includes("You are still signed in")]).toEqual([503, true]);
    expect([revoked(world), onLogout.mock.calls.length, (await world.me()).isAuthenticated]).toEqual([
      [],
      0,
      true,
    ]);
    failingRemove.mockRestore();
    expect((await logOut(world)).status).toBe(303);
    expect([revoked(world), onLogout.mock.calls.length]).toEqual([[token], 1]);
  });

  test("two logouts at the same moment call the hook once and revoke the tokens twice", async () => {
    const { world, onLogout, token } = await start(owner, 0);
    const events = listenToEvents();
    const copy = new Browser();
    for (const cookie of await world.browser.jar.getCookies(world.url))
      await copy.jar.setCookie(cookie.toString(), world.url);
    const slow = await pauseRequest(world, (req) => req.portal.logout());
    await logOut(world, copy);
    await slow.resume();
    expect(revoked(world)).toEqual([token, token]);
    expect(onLogout).toHaveBeenCalledTimes(1);
    expect(events.of("logout").map(({ sessions, had_login }) => [sessions, had_login])).toEqual([
      [1, true],
      [0, true],
    ]);
  });

  test("a session that two requests end by its id at the same moment ends once", async () => {
    const { world, onLogout, token } = await start(owner, 0);
    const [{ id = "" } = {}] = await world.inRequest((req) => req.portal.sessions());
    const outcomes: boolean[] = [];
    const slow = await pauseRequest(
      world,
      async (req) => void outcomes.push(await req.portal.endSession(id)),
    );
    const quick = await pauseRequest(
      world,
      async (req) => void outcomes.push(await req.portal.endSession(id)),
    );
    await quick.resume();
    await slow.resume();
    expect([outcomes, onLogout.mock.calls.length]).toEqual([[true, false], 1]);
    await vi.waitFor(() => expect(revoked(world)).toEqual([token, token]));
  });
});
