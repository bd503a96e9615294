import type { Request } from "express";
import { expect, test, vi } from "vitest";
import { AttachedLogin, getLoginState, getLoginStates } from "../../lib/session/attached-login.js";
import { LoginState } from "../../lib/session/login-state.js";
import type { LoginStorage } from "../../lib/session/login-storage.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld } from "../support/world.js";
import { changeRoute, setValue } from "./slow-route.js";

function attachLogin(name: string | undefined) {
  const login = new LoginState({} as Request, { policy: { name } } as LoginStorage, undefined);
  return { login, portal: new AttachedLogin(login) };
}

test("a portalAuth() without a name ignores the login of another portalAuth() at req.portal", () => {
  const { login, portal } = attachLogin("staff");
  const req = { portal, portals: { staff: portal } } as unknown as Request;
  expect(getLoginState(req, { name: "staff" })).toBe(login);
  expect(getLoginState(req, { name: undefined })).toBeUndefined();
});

test.each([undefined, null, "eu", {}])(
  "a value that an application has put at req.portal is not a login: %j",
  (portal) => {
    expect(getLoginState({ portal } as unknown as Request, { name: undefined })).toBeUndefined();
  },
);

test("getLoginStates() returns all logins of a request", () => {
  const unnamed = attachLogin(undefined);
  const staff = attachLogin("staff");
  const req = { portal: unnamed.portal, portals: { staff: staff.portal } } as unknown as Request;
  expect(getLoginStates(req)).toEqual([unnamed.login, staff.login]);
});

test("the onError hook finds the user if the session cannot be saved", async () => {
  const store = observedStore();
  const found: unknown[] = [];
  const onError = (_error: unknown, { req }: { readonly req: Request }) => {
    found.push(req.portal.claims?.sub);
  };
  const world = await startWorld({
    options: { store, hooks: { onError } },
    after: changeRoute("/test/note", setValue("note", "book")),
    log: [/session_store_failed/],
  });
  await world.browser.visit(`${world.url}/account`);
  vi.spyOn(store, "updateEntry").mockRejectedValueOnce(new Error("the store is down"));
  await world.browser.fetch(`${world.url}/test/note`);
  await expect.poll(() => found).toEqual([(await world.me()).claims?.["sub"]]);
});
