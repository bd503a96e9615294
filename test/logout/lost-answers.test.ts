import { describe, expect, test, vi } from "vitest";
import type { LogoutContext } from "../../lib/index.js";
import { type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { Browser } from "../support/browser.js";
import { listenToEvents } from "../support/events.js";
import { underWay } from "./under-way.js";

// The store removes the login of a logout, and its answer is lost with the connection.

const AWAY = new Error("the connection was lost");

const revoked = (world: LoggedIn) =>
  world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));

const logOut = ({ browser, url }: LoggedIn, who: Browser = browser) =>
  who.navigate(`${url}/logout`, { site: "same-origin" });

/** @param lost how many answers to removals of logins are lost */
async function start(whose: "app" | "ours", lost: number) {
  const onLogout = vi.fn((_context: LogoutContext) => {});
  const world = await logIn({
    session: whose,
    options: { hooks: { onLogout } },
    log: [/session_store_failed/],
  });
  const { refresh_token = "" } = await world.tokens();
  const remove = world.store.remove.bind(world.store);
  const losing = vi.spyOn(world.store, "remove");
  for (let n = 0; n < lost; n += 1)
    losing.mockImplementationOnce(async (key) => {
      await remove(key);
      throw AWAY;
    });
  return { world, onLogout, token: refresh_token, losing, remove };
}

describe.each(SESSIONS)("%s:", (_name, whose) => {
  test.each([1, 3])(
    "a logout revokes the tokens and calls the hook although %i answers are lost",
    async (lost) => {
      const { world, onLogout, token } = await start(whose, lost);
      expect((await logOut(world)).status).toBe(303);
      expect([revoked(world), onLogout.mock.calls.length]).toEqual([[token], 1]);
      expect([(await world.me()).isAuthenticated, await world.stored()]).toEqual([false, []]);
    },
  );

  test("a logout everywhere does so for each login, also if the logout fails at its own", async () => {
    const { world, onLogout, losing, remove } = await start(whose, 1);
    const phone = await world.another();
    const other = (await world.tokens(phone)).refresh_token;
    await world.inRequest(async (req) => {
      const own = (await world.stored()).find(({ login_id }) => login_id === req.session.portal?.login_id);
      losing.mockImplementation(async (key, ...more) => {
        if (key.endsWith(String(whose === "app" ? own?.login_id : own?.session_id))) throw AWAY;
        return remove(key, ...more);
      });
      await req.portal.logout({ everywhere: true });
    });
    await vi.waitFor(() => expect(revoked(world)).toEqual([other]));
    expect(onLogout.mock.calls.map(([{ tokens, reason }]) => [tokens.refresh_token, reason])).toEqual([
      [other, "everywhere"],
    ]);
    expect((await world.me()).isAuthenticated).toBe(true);
  });

  test("a logout everywhere that fails at one of the others has ended the rest, and the next one ends all", async () => {
    const { world, onLogout, token, losing, remove } = await start(whose, 0);
    const phone = await world.another();
    const tablet = await world.another();
    const { refresh_token: ofPhone } = await world.tokens(phone);
    const { refresh_token: ofTablet } = await world.tokens(tablet);
    const stays = (await world.stored()).find(({ tokens }) => tokens.refresh_token === ofTablet);
    losing.mockImplementation(async (key, ...more) => {
      if (key.endsWith(String(whose === "app" ? stays?.login_id : stays?.session_id))) throw AWAY;
      return remove(key, ...more);
    });
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    await vi.waitFor(() => expect(revoked(world)).toEqual([ofPhone]));
    expect(onLogout.mock.calls.map(([{ tokens }]) => tokens.refresh_token)).toEqual([ofPhone]);
    expect([(await world.me()).isAuthenticated, (await world.me(tablet)).isAuthenticated]).toEqual([
      true,
      true,
    ]);
    losing.mockRestore();
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    expect(revoked(world).sort()).toEqual([ofPhone, ofTablet, token].sort());
    expect(await world.stored()).toEqual([]);
  });

  test("a logout that the store has not done revokes nothing, and works later", async () => {
    const { world, onLogout, token, losing } = await start(whose, 0);
    losing.mockRejectedValue(AWAY);
    const { status, body } = await logOut(world);
    expect([status, body.includes("You are still signed in")]).toEqual([503, true]);
    expect([revoked(world), onLogout.mock.calls.length, (await world.me()).isAuthenticated]).toEqual([
      [],
      0,
      true,
    ]);
    losing.mockRestore();
    expect((await logOut(world)).status).toBe(303);
    expect([revoked(world), onLogout.mock.calls.length]).toEqual([[token], 1]);
  });

  test("two logouts at the same moment call the hook once and revoke the tokens twice", async () => {
    const { world, onLogout, token } = await start(whose, 0);
    const heard = listenToEvents();
    const copy = new Browser();
    for (const cookie of await world.browser.jar.getCookies(world.url))
      await copy.jar.setCookie(cookie.toString(), world.url);
    const slow = await underWay(world, (req) => req.portal.logout());
    await logOut(world, copy);
    await slow.goOn();
    expect(revoked(world)).toEqual([token, token]);
    expect(onLogout).toHaveBeenCalledTimes(1);
    expect(heard.of("logout").map(({ sessions, had_login }) => [sessions, had_login])).toEqual([
      [1, true],
      [0, true],
    ]);
  });

  test("a session that two requests end at the same moment by its id ends once", async () => {
    const { world, onLogout, token } = await start(whose, 0);
    const [{ id = "" } = {}] = await world.inRequest((req) => req.portal.sessions());
    const outcomes: boolean[] = [];
    const slow = await underWay(world, async (req) => void outcomes.push(await req.portal.endSession(id)));
    const quick = await underWay(world, async (req) => void outcomes.push(await req.portal.endSession(id)));
    await quick.goOn();
    await slow.goOn();
    expect([outcomes, onLogout.mock.calls.length]).toEqual([[true, false], 1]);
    await vi.waitFor(() => expect(revoked(world)).toEqual([token, token]));
  });
});
