import { expect, test } from "vitest";
import { checkAuthorizationParams, hasOpenid } from "../../lib/settings/check-authorization-params.js";

test.each([
  ...[
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "redirect_uri",
    "client_id",
    "client_secret",
  ].map((name) => [{ [name]: "x" }, `${name} cannot be set`]),
  ...["response_type", "request", "request_uri"].map((name) => [{ [name]: "x" }, `${name} cannot be set`]),
  [{ response_mode: "fragment" }, "response_mode"],
  [{ scope: "profile" }, "scope"],
  [{ scope: "xopenid openidx" }, "scope"],
  ...["", "x1", "1x", "-1", "1.5", " 1"].map((max_age) => [{ max_age }, "max_age"]),
] as [object, string][])("checkAuthorizationParams() rejects %j", (params, detail) => {
  expect(() => checkAuthorizationParams(params as never)).toThrow(
    expect.objectContaining({ code: "authorization_params_invalid", detail }),
  );
});

test("checkAuthorizationParams() returns texts and numbers as text, and omits other values", () => {
  const params = {
    prompt: "login",
    max_age: 60,
    a: undefined,
    b: null,
    c: ["x"],
    d: {},
    e: Number.NaN,
    f: true,
  };
  expect(checkAuthorizationParams(params)).toEqual({ prompt: "login", max_age: "60" });
  expect(checkAuthorizationParams({ response_mode: "query", scope: "email  openid", max_age: "0" })).toEqual({
    response_mode: "query",
    scope: "email  openid",
    max_age: "0",
  });
  expect(checkAuthorizationParams({ response_mode: "form_post" })).toEqual({ response_mode: "form_post" });
});

test("hasOpenid() finds openid only as a whole word of the scope", () => {
  expect(["openid", "a openid", "openid\tb"].map(hasOpenid)).toEqual([true, true, true]);
  expect(["", "openidx", "a"].map(hasOpenid)).toEqual([false, false, false]);
});
