import { expect, test } from "vitest";
import { formatCookieHeader, storeCookies } from "../../lib/testing/cookie-jar.js";

test("cookies are kept as they were set, the newest of each name", () => {
  const jar = storeCookies(new Map(), ["a=s%3Aid.sig%2B; Path=/; HttpOnly", "b=1; Max-Age=60"]);
  expect(formatCookieHeader(storeCookies(jar, ["b=2"]))).toBe("a=s%3Aid.sig%2B; b=2");
});

test.each([
  ["an empty value", "a=; Path=/"],
  ["Max-Age", "a=x; Max-Age=0"],
  ["an end long ago", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
])("what is taken back by %s is forgotten", (_how, line) => {
  expect(formatCookieHeader(storeCookies(new Map([["a", "1"]]), [line]))).toBe("");
});
