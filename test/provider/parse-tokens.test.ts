import type { TokenEndpointResponse } from "openid-client";
import { describe, expect, test } from "vitest";
import { parseTokens } from "../../lib/provider/parse-tokens.js";

const NOW = 1_700_000_000;
const parse = (more: object) =>
  parseTokens(
    { access_token: "a", token_type: "bearer", refresh_token: "r", ...more } as TokenEndpointResponse,
    NOW * 1000 + 50,
  );

describe("the expiry", () => {
  test.each<[string, object, object]>([
    ["counts from the second of the request", { expires_in: 300 }, { expires_at: NOW + 300 }],
    ["is rounded down to whole seconds", { expires_in: 300.9 }, { expires_at: NOW + 300 }],
    ["may be the time of the request", { expires_in: 0 }, { expires_at: NOW }],
    ["is unknown without expires_in", {}, {}],
    ["is at most in ten years", { expires_in: 1e300 }, { expires_at: NOW + 315_360_000 }],
    [
      "of the refresh token is at most in ten years",
      { refresh_expires_in: 1e300 },
      { refresh_expires_at: NOW + 315_360_000 },
    ],
    [
      "of the refresh token is read from refresh_token_expires_in",
      { refresh_token_expires_in: 9 },
      { refresh_expires_at: NOW + 9 },
    ],
    ["of the refresh token is unknown if the member is not a number", { refresh_expires_in: "9" }, {}],
    ["of the refresh token is unknown if the member is negative", { refresh_expires_in: -9 }, {}],
    [
      "of the refresh token is omitted without a refresh token",
      { refresh_token: undefined, refresh_expires_in: 9 },
      {},
    ],
  ])("%s", (_name, members, expected) => {
    const { access_token: _a, token_type: _t, refresh_token: _r, ...expiry } = parse(members);
    expect(expiry).toEqual(expected);
  });
});

test("unknown members are omitted, including __proto__", () => {
  const tokens = parse(JSON.parse('{"shoe_size":42,"__proto__":{"admin":true},"scope":"openid"}'));
  expect(tokens).toEqual({ access_token: "a", token_type: "bearer", refresh_token: "r", scope: "openid" });
  expect(Object.getPrototypeOf(tokens)).toBe(Object.prototype);
});

test.each(["dpop", "n_a", "cookie"])("a token of type %s is rejected", (token_type) => {
  expect(() => parse({ token_type })).toThrow(
    expect.objectContaining({ code: "portal_answer_invalid", detail: "token_type" }),
  );
});
