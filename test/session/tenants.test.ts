import { expect, test, vi } from "vitest";
import type { StoredPortal } from "../../lib/session/stored.js";
import { Tenants } from "../../lib/session/tenants.js";
import type { Vault } from "../../lib/session/vault.js";

const tenant = (issuer: string, clientId: string, keys: string[] = []) => {
  const vault: Vault = {
    open: (_id, portal) => ({
      ...portal,
      tokens: { access_token: `opened for ${issuer} ${clientId}`, token_type: "bearer" },
    }),
    close: (_id, portal) => ({ ...portal, tokens: `sealed for ${issuer} ${clientId}` }),
  };
  return { issuer, clientId, vault, keys, absoluteSeconds: 60, findsBySid: false };
};

const login = (issuer: string, client_id: string, tokens: StoredPortal["tokens"] = "sealed"): StoredPortal =>
  ({ issuer, client_id, tokens }) as StoredPortal;

function admitted(...known: ReturnType<typeof tenant>[]) {
  const warn = vi.fn();
  const tenants = new Tenants(warn);
  for (const each of known) tenants.admit(each);
  return { tenants, warn };
}

const opened = (tenants: Tenants, portal: StoredPortal) => tenants.open("id", portal)?.tokens;

test("each login is opened and sealed by its own, by issuer and by client", () => {
  const { tenants } = admitted(tenant("one", "a"), tenant("one", "b"), tenant("two", "a"));
  for (const [issuer, client] of [
    ["one", "a"],
    ["one", "b"],
    ["two", "a"],
  ] as const) {
    expect(opened(tenants, login(issuer, client))).toMatchObject({ access_token: `opened for ${issuer} ${client}` });
    expect(tenants.close("id", login(issuer, client)).tokens).toBe(`sealed for ${issuer} ${client}`);
  }
});

test("a login of nobody here stays as it is", () => {
  const { tenants } = admitted(tenant("one", "a"), tenant("two", "b"));
  for (const [issuer, client] of [
    ["one", "b"],
    ["two", "a"],
    ["three", "c"],
  ] as const) {
    expect(opened(tenants, login(issuer, client))).toBe("sealed");
    expect(tenants.close("id", login(issuer, client)).tokens).toBe("sealed");
  }
});

test("tokens that are not sealed are opened by nobody", () => {
  const { tenants } = admitted(tenant("one", "a"));
  const tokens = { access_token: "x", token_type: "bearer" };
  expect(opened(tenants, login("one", "a", tokens))).toEqual(tokens);
});

test("who comes again is the same, and told when its keys are not", () => {
  const { tenants, warn } = admitted(
    tenant("one", "a", ["k1"]),
    tenant("one", "a", ["k1"]),
    tenant("one", "b", ["k2"]),
    tenant("two", "a", ["k2"]),
  );
  expect(warn).not.toHaveBeenCalled();
  tenants.admit(tenant("one", "a", ["k2"]));
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("the keys of the first are used"));
});
