import type { Request } from "express";
import { expect, test, vi } from "vitest";
import { AttachedLogin, getRequestLogin, getRequestLogins } from "../../lib/session/attached-login.js";
import type { LoginStorage } from "../../lib/session/login-storage.js";
import { RequestLogin } from "../../lib/session/request-login.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld } from "../support/world.js";
import { changeRoute, setValue } from "./slow-route.js";

const attached = (name: string | undefined) => {
  const login = new RequestLogin({} as Request, { policy: { name } } as LoginStorage, undefined);
  return { login, portal: new AttachedLogin(login) };
};

test("the login of a portalAuth() with a name is not that of one without, although it is at req.portal", () => {
  const { login, portal } = attached("staff");
  const req = { portal, portals: { staff: portal } } as unknown as Request;
  expect(getRequestLogin(req, { name: "staff" })).toBe(login);
  expect(getRequestLogin(req, { name: undefined })).toBeUndefined();
});

test.each([undefined, null, "eu", {}])(
  "what an application has put at req.portal is no login: %j",
  (portal) => {
    expect(getRequestLogin({ portal } as unknown as Request, { name: undefined })).toBeUndefined();
  },
);

test("all logins of a request are found", () => {
  const [unnamed, staff] = [attached(undefined), attached("staff")];
  const req = { portal: unnamed.portal, portals: { staff: staff.portal } } as unknown as Request;
  expect(getRequestLogins(req)).toEqual([unnamed.login, staff.login]);
});

test("the onError hook finds the user, if the session cannot be saved when the response ends", async () => {
  const store = observedStore();
  const found: unknown[] = [];
  const onError = (_error: unknown, { req }: { readonly req: Request }) =>
    void found.push(req.portal.claims?.sub);
  const world = await startWorld({
    options: { store, hooks: { onError } },
    after: changeRoute("/test/note", setValue("note", "book")),
    log: [/session_store_failed/],
  });
  await world.browser.visit(`${world.url}/account`);
  vi.spyOn(store, "updateEntry").mockRejectedValueOnce(new Error("away"));
  await world.browser.fetch(`${world.url}/test/note`);
  await expect.poll(() => found).toEqual([(await world.me()).claims?.["sub"]]);
});
