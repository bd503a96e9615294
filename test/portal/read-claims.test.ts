import { expect, test } from "vitest";
import { readClaims } from "../../lib/portal/read-claims.js";

test("a member __proto__ is left out at every depth, and nothing else", () => {
  const told = JSON.parse(
    '{"sub":"a","__proto__":{"isAdmin":true},"address":{"__proto__":{"isAdmin":true},"country":"NG"},"amr":["pwd",{"__proto__":1}],"constructor":{"a":null}}',
  );
  expect(JSON.stringify(readClaims(told))).toBe(
    '{"sub":"a","address":{"country":"NG"},"amr":["pwd",{}],"constructor":{"a":null}}',
  );
});
