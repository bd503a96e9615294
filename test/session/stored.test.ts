import { expect, test, vi } from "vitest";
import { KeptPortalSession, markedAsOurs, type PortalSession } from "../../lib/session/stored.js";

const login: PortalSession = {
  tokens: { access_token: "a", token_type: "bearer" },
  claims: { sub: "amara", address: { country: "NG" }, roles: ["reader"] },
  started_at: 1,
  issuer: "https://portal.example",
  client_id: "app",
  redirect_uri: "https://app.example/callback",
  version: 1,
  obtained_at: 1,
};

test("a login is ours by how it was made, and not by what it holds", () => {
  expect(KeptPortalSession.isOurs(new KeptPortalSession(login))).toBe(true);
  for (const other of [
    login,
    { ...new KeptPortalSession(login) },
    JSON.parse(JSON.stringify(login)),
    null,
    undefined,
    "x",
    1,
    [],
  ])
    expect(KeptPortalSession.isOurs(other)).toBe(false);
});

test("it is ours for a second copy of this package as well", async () => {
  vi.resetModules();
  const other = await import("../../lib/session/stored.js");
  expect(other.KeptPortalSession).not.toBe(KeptPortalSession);
  expect(other.KeptPortalSession.isOurs(new KeptPortalSession(login))).toBe(true);
});

test("nothing in it can be changed, at whatever depth", () => {
  const kept = new KeptPortalSession(structuredClone(login));
  const before = JSON.stringify(kept);
  const parts = [kept, kept.tokens, kept.claims, kept.claims["address"], kept.claims["roles"]] as object[];
  for (const part of parts)
    for (const name of [...Object.keys(part), "more"]) expect(Reflect.set(part, name, "changed")).toBe(false);
  expect(JSON.stringify(kept)).toBe(before);
});

test("what the portal said of the login is there to be asked for, frozen, and in no JSON", () => {
  const authentication = { acr: "mfa", amr: ["pwd", "otp"], sid: "s" };
  const kept = new KeptPortalSession({ ...login, authentication, login_id: "l" });
  expect(kept.authentication).toEqual(authentication);
  expect([Object.isFrozen(kept.authentication), Object.isFrozen(kept.authentication?.amr)]).toEqual([true, true]);
  expect(JSON.stringify(kept)).toBe(JSON.stringify(new KeptPortalSession(login)));
  expect(KeptPortalSession.whole(kept)).toEqual({ ...kept, authentication, login_id: "l" });
});

test("it tells whether it has only just begun, until it is stored, to another copy of this package as well", async () => {
  vi.resetModules();
  const other = await import("../../lib/session/stored.js");
  const begun = new KeptPortalSession(login, true);
  expect([begun, new KeptPortalSession(login)].map(KeptPortalSession.isBegun)).toEqual([true, false]);
  expect(other.KeptPortalSession.isBegun(begun)).toBe(true);
  expect([markedAsOurs(login, true), markedAsOurs(login)].map(other.KeptPortalSession.isBegun)).toEqual([true, false]);
  other.KeptPortalSession.settle(begun); // it has fields of its own
  KeptPortalSession.settle(begun);
  expect([KeptPortalSession.isBegun(begun), Object.isFrozen(begun)]).toEqual([false, true]);
});

test("the tokens that an application has handed over stay its own", () => {
  const tokens = { ...login.tokens };
  new KeptPortalSession({ ...login, tokens });
  expect(Object.isFrozen(tokens)).toBe(false);
});
