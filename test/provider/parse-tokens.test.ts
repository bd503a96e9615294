import type { TokenEndpointResponse } from "openid-client";
import { describe, expect, test } from "vitest";
import { parseTokens } from "../../lib/provider/parse-tokens.js";

const NOW = 1_700_000_000;
const read = (more: object) =>
  parseTokens(
    { access_token: "a", token_type: "bearer", refresh_token: "r", ...more } as TokenEndpointResponse,
    NOW * 1000 + 50,
  );

describe("when tokens end", () => {
  test.each<[string, object, object]>([
    ["is counted from the second that has begun", { expires_in: 300 }, { expires_at: NOW + 300 }],
    ["is whole seconds, rounded to our loss", { expires_in: 300.9 }, { expires_at: NOW + 300 }],
    ["may be now", { expires_in: 0 }, { expires_at: NOW }],
    ["is unknown when nobody says so", {}, {}],
    [
      "is a number that can be counted with, whatever is told",
      { expires_in: 1e300 },
      { expires_at: NOW + 315_360_000 },
    ],
    ["of the refresh token", { refresh_expires_in: 1e300 }, { refresh_expires_at: NOW + 315_360_000 }],
    [
      "of the refresh token, by another name",
      { refresh_token_expires_in: 9 },
      { refresh_expires_at: NOW + 9 },
    ],
    ["of the refresh token is unknown when it is no number", { refresh_expires_in: "9" }, {}],
    ["of the refresh token is unknown when it is negative", { refresh_expires_in: -9 }, {}],
    [
      "is not told of a refresh token that is not there",
      { refresh_token: undefined, refresh_expires_in: 9 },
      {},
    ],
  ])("%s", (_name, told, kept) => {
    const { access_token: _a, token_type: _t, refresh_token: _r, ...ends } = read(told);
    expect(ends).toEqual(kept);
  });
});

test("what nobody asked for is left out, __proto__ included", () => {
  const tokens = read(JSON.parse('{"shoe_size":42,"__proto__":{"admin":true},"scope":"openid"}'));
  expect(tokens).toEqual({ access_token: "a", token_type: "bearer", refresh_token: "r", scope: "openid" });
  expect(Object.getPrototypeOf(tokens)).toBe(Object.prototype);
});

test.each(["dpop", "n_a", "cookie"])(
  "a token of type %s is refused: it is not used as a Bearer",
  (token_type) => {
    expect(() => read({ token_type })).toThrow(
      expect.objectContaining({ code: "portal_answer_invalid", detail: "token_type" }),
    );
  },
);
