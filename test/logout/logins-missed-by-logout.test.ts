import type { Express } from "express";
import { describe, expect, test, vi } from "vitest";
import type { LogoutContext, PortalAuthOptions } from "../../lib/index.js";
import { holdNext, type LoggedIn, logIn, SESSIONS } from "../access/signed-in-request.js";
import { keysOfLogins, userListName } from "../session/records.js";
import { Browser } from "../support/browser.js";
import { listenToEvents } from "../support/events.js";
import { createGate } from "../support/gate.js";

// These logins ended before the request arrived, but were not removed: a logout did not find them in the
// list, or they reached their maximum age.

const AMARA = "amara-okafor";
const UNTIL_NEXT_IDLE_EXTENSION_SECONDS = 120;

const revoked = (world: LoggedIn) =>
  world.asked("/oauth2/revoke").map(({ body }) => new URLSearchParams(body).get("token"));

const isSignedIn = async (world: LoggedIn, browser?: Browser) => (await world.me(browser)).isAuthenticated;

/** Signs a user in with two browsers. Then removes the login of the second one, the phone, from the list. */
async function start(owner: "app" | "ours", options: PortalAuthOptions = {}, before = (_app: Express) => {}) {
  const onLogout = vi.fn((_context: LogoutContext) => {});
  const world = await logIn({
    session: owner,
    before,
    provider: { document: "full" },
    options: { profile: "openid", backchannelLogout: true, hooks: { onLogout }, ...options },
  });
  const phone = new Browser();
  const known = await keysOfLogins(world, world.store);
  await phone.visit(`${world.url}/account`);
  const { refresh_token } = await world.tokens(phone);
  const lost = (await keysOfLogins(world, world.store)).filter((key) => !known.includes(key));
  await world.store.index.remove(userListName(world), lost);
  return { world, phone, onLogout, token: refresh_token };
}

describe.each(SESSIONS)("%s: a login that the store has lost from the list", (_name, owner) => {
  test("ends once at its next use after a logout on all devices, with its token revoked", async () => {
    const { world, phone, onLogout, token } = await start(owner);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    expect([onLogout.mock.calls.length, revoked(world).includes(token ?? "")]).toEqual([1, false]);
    const events = listenToEvents();
    world.later(UNTIL_NEXT_IDLE_EXTENSION_SECONDS);
    const areSignedIn = await Promise.all(Array.from({ length: 3 }, () => isSignedIn(world, phone)));
    expect(areSignedIn).toEqual([false, false, false]);
    await vi.waitFor(() =>
      expect(revoked(world).filter((revokedToken) => revokedToken === token)).toHaveLength(1),
    );
    await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(2));
    const [, [{ reason, claims, tokens, req }] = [] as never] = onLogout.mock.calls as [LogoutContext][];
    expect([reason, claims.sub, tokens.refresh_token, req.portal.isAuthenticated]).toEqual([
      "everywhere",
      AMARA,
      token,
      false,
    ]);
    expect(events.of("logout")).toMatchObject([
      { reason: "everywhere", sessions: 1, had_login: true, at_provider: false },
    ]);
    expect(await world.stored()).toEqual([]);
  });

  test("ends at its next use after a logout by the provider", async () => {
    const { world, phone, onLogout, token } = await start(owner);
    world.provider.register({ backchannelLogoutUri: `${world.url}/backchannel-logout` });
    await world.provider.sendLogoutToken(world.provider.logoutToken({ sub: AMARA }));
    await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(1));
    world.later(UNTIL_NEXT_IDLE_EXTENSION_SECONDS);
    expect(await isSignedIn(world, phone)).toBe(false);
    await vi.waitFor(() => expect(onLogout.mock.calls.map(([{ reason }]) => reason)[1]).toBe("backchannel"));
    await vi.waitFor(() => expect(revoked(world)).toContain(token));
  });

  test("ends without waiting for the provider or the hook", async () => {
    const { world, phone, onLogout, token } = await start(owner);
    await world.inRequest((req) => req.portal.logout({ everywhere: true }));
    const mayReturn = createGate();
    onLogout.mockImplementation((() => mayReturn.opened) as never);
    const held = holdNext(world.provider, "/oauth2/revoke");
    world.later(UNTIL_NEXT_IDLE_EXTENSION_SECONDS);
    expect(await isSignedIn(world, phone)).toBe(false);
    await held.arrived;
    await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(2));
    mayReturn.open();
    held.letGo();
    await vi.waitFor(() => expect(revoked(world)).toContain(token));
  });
});

test.each(SESSIONS)(
  "%s: a login that has reached its maximum age loses its refresh token, and onLogout is not called",
  async (_n, owner) => {
    const onLogout = vi.fn();
    const world = await logIn({ session: owner, options: { sessionAbsolute: 300, hooks: { onLogout } } });
    const { refresh_token } = await world.tokens();
    world.later(300);
    const areSignedIn = await Promise.all([isSignedIn(world), isSignedIn(world)]);
    expect(areSignedIn).toEqual([false, false]);
    await vi.waitFor(() => expect(revoked(world)).toEqual([refresh_token]));
    expect([onLogout.mock.calls.length, await world.stored()]).toEqual([0, []]);
  },
);

test("the hook gets the request of the application, also if the portalAuth() has a name", async () => {
  const requests = new WeakSet<object>();
  const { world, phone, onLogout } = await start("ours", { name: "staff" }, (app) =>
    app.use((req, _res, next) => {
      requests.add(req);
      next();
    }),
  );
  await world.inRequest((req) => req.portal.logout({ everywhere: true }));
  world.later(UNTIL_NEXT_IDLE_EXTENSION_SECONDS);
  expect(await isSignedIn(world, phone)).toBe(false);
  await vi.waitFor(() => expect(onLogout).toHaveBeenCalledTimes(2));
  for (const [{ req }] of onLogout.mock.calls) expect(requests.has(req)).toBe(true);
});
