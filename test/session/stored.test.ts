import { expect, test, vi } from "vitest";
import { KeptPortalSession, type PortalSession } from "../../lib/session/stored.js";

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
  const kept = new KeptPortalSession({ ...login, authentication }, "id");
  expect(kept.authentication).toEqual(authentication);
  expect([Object.isFrozen(kept.authentication), Object.isFrozen(kept.authentication?.amr)]).toEqual([true, true]);
  expect(JSON.stringify(kept)).toBe(JSON.stringify(new KeptPortalSession(login)));
  expect(KeptPortalSession.whole(kept)).toEqual({ ...kept, authentication });
});

test("it knows of which session it is; one of another copy of this package does not tell", async () => {
  expect(KeptPortalSession.idOf(new KeptPortalSession(login, "id"))).toBe("id");
  vi.resetModules();
  const other = await import("../../lib/session/stored.js");
  expect(KeptPortalSession.idOf(new other.KeptPortalSession(login, "id"))).toBeUndefined();
});

test("the tokens that an application has handed over stay its own", () => {
  const tokens = { ...login.tokens };
  new KeptPortalSession({ ...login, tokens });
  expect(Object.isFrozen(tokens)).toBe(false);
});
