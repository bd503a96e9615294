import { expect, test } from "vitest";
import { parseAuthentication, parseClaims } from "../../lib/provider/parse-claims.js";

test("only members with the name __proto__ are omitted, at every level", () => {
  const received = JSON.parse(
    '{"sub":"a","__proto__":{"isAdmin":true},"address":{"__proto__":{"isAdmin":true},"country":"NG"},"amr":["pwd",{"__proto__":1}],"constructor":{"a":null}}',
  );
  expect(JSON.stringify(parseClaims(received, "id_token_invalid"))).toBe(
    '{"sub":"a","address":{"country":"NG"},"amr":["pwd",{}],"constructor":{"a":null}}',
  );
});

const nest = (levels: number): object => JSON.parse(`{"a":${"[".repeat(levels)}${"]".repeat(levels)}}`);

test("claims of more than 64 levels are rejected with the given code", () => {
  expect(JSON.stringify(parseClaims(nest(64), "id_token_invalid"))).toBe(JSON.stringify(nest(64)));
  for (const levels of [65, 2300, 100_000])
    for (const code of ["id_token_invalid", "portal_answer_invalid"] as const)
      expect(() => parseClaims(nest(levels), code)).toThrow(
        expect.objectContaining({ code, detail: "over 64 levels deep" }),
      );
});

test.each<[object, object]>([
  [
    { auth_time: 1000, acr: "gold", amr: ["pwd", "otp"], sid: "s", iat: 1001, email: "a@b.example" },
    { auth_time: 1000, auth_age: 980, acr: "gold", amr: ["pwd", "otp"], sid: "s", iat: 1001 },
  ],
  [{ auth_time: "1000", acr: ["gold"], amr: "pwd", sid: 7, iat: "now" }, {}],
  [{ auth_time: Number.POSITIVE_INFINITY, acr: "", amr: ["pwd", 1], iat: Number.NaN }, {}],
  [{ auth_time: 2000 }, { auth_time: 2000, auth_age: 0 }],
  [
    { auth_time: 1000, iat: 1000 },
    { auth_time: 1000, iat: 1000, auth_age: 980 },
  ],
  [
    { auth_time: 1000, iat: 1990 },
    { auth_time: 1000, iat: 1990, auth_age: 990 },
  ],
  [
    { auth_time: 1000, iat: "1990" },
    { auth_time: 1000, auth_age: 980 },
  ],
  [{ auth_time: 2001 }, {}],
  [{ auth_time: 1_000_000 }, {}],
])("from the claims %j, %j is read at 1980, with 2000 as the latest valid time", (claims, authentication) => {
  expect(parseAuthentication({ sub: "a", ...claims } as never, 1980, 2000)).toEqual(authentication);
});
