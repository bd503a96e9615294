import { expect, test } from "vitest";
import { formatCookieHeader, storeCookies } from "../../lib/testing/cookie-jar.js";

test("the jar stores the newest value of each cookie, still encoded", () => {
  const jar = storeCookies(new Map(), ["a=s%3Aid.sig%2B; Path=/; HttpOnly", "b=1; Max-Age=60"]);
  expect(formatCookieHeader(storeCookies(jar, ["b=2"]))).toBe("a=s%3Aid.sig%2B; b=2");
});

test.each([
  ["an empty value", "a=; Path=/"],
  ["Max-Age", "a=x; Max-Age=0"],
  ["Expires", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"],
])("the jar removes a cookie that is deleted with %s", (_method, line) => {
  expect(formatCookieHeader(storeCookies(new Map([["a", "1"]]), [line]))).toBe("");
});
