import { expect, test } from "vitest";
import { canBeForged, resolveCsrf } from "../../lib/http/csrf.js";

const HERE = "https://app.example";
const asked = resolveCsrf(true, "guard");

const isForged = (method: string, headers: Record<string, string>, csrf = asked) =>
  csrf && canBeForged({ method, headers }, csrf, () => HERE);

test.each<[string, string, Record<string, string>]>([
  [
    "a script of our own page",
    "POST",
    { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", origin: HERE },
  ],
  ["a form of our own page", "POST", { "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate" }],
  ["a beacon of our own page", "POST", { "sec-fetch-site": "same-origin", "sec-fetch-mode": "no-cors" }],
  ["a page of an older browser", "PUT", { origin: HERE }],
  ["a program that sets the header", "DELETE", { "x-csrf": "1" }],
  [
    "a front end elsewhere that CORS lets set the header",
    "POST",
    { "sec-fetch-site": "cross-site", "x-csrf": "1" },
  ],
  ["a link of another site", "GET", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }],
  ["HEAD", "HEAD", {}],
  ["a preflight", "OPTIONS", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }],
  ["TRACE", "TRACE", {}],
])("passes: %s", (_name, method, headers) => {
  expect(isForged(method, headers)).toBe(false);
});

test.each<[string, string, Record<string, string>]>([
  [
    "a form of another site",
    "POST",
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", origin: "https://evil.example" },
  ],
  ["a page of a subdomain: the same site is not the same origin", "POST", { "sec-fetch-site": "same-site" }],
  ["a no-cors fetch", "POST", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" }],
  ["what begins at no page", "POST", { "sec-fetch-site": "none" }],
  ["a word that browsers do not have", "POST", { "sec-fetch-site": "Same-Origin" }],
  ["the header twice, which arrives as a list", "POST", { "sec-fetch-site": "same-origin, cross-site" }],
  ["the header twice, and the same", "POST", { "sec-fetch-site": "same-origin, same-origin" }],
  ["the header, empty", "POST", { "sec-fetch-site": "" }],
  [
    "Fetch Metadata that speaks against a good Origin",
    "POST",
    { "sec-fetch-site": "cross-site", origin: HERE },
  ],
  ["nothing at all", "POST", {}],
  ["an Origin of another site", "POST", { origin: "https://evil.example" }],
  ["Origin: null, of a sandboxed frame", "POST", { origin: "null" }],
  ["an empty Origin", "POST", { origin: "" }],
  ["a subdomain's Origin", "POST", { origin: "https://user.app.example" }],
  ["an Origin that begins like ours", "POST", { origin: "https://app.example.evil.example" }],
  ["an Origin that ends like ours", "POST", { origin: "https://evil-app.example" }],
  ["our host by http", "POST", { origin: "http://app.example" }],
  ["another port", "POST", { origin: "https://app.example:8443" }],
  ["ours with a path", "POST", { origin: "https://app.example/" }],
  ["two Origins", "POST", { origin: `${HERE}, https://evil.example` }],
  ["the same Origin twice", "POST", { origin: `${HERE}, ${HERE}` }],
  ["a good Referer alone", "POST", { referer: `${HERE}/page` }],
  ["an empty header", "POST", { "x-csrf": "" }],
  ["another custom header", "POST", { "x-requested-with": "XMLHttpRequest" }],
  [
    "a form that is said to be JSON",
    "POST",
    { "content-type": "text/plain", "sec-fetch-site": "cross-site" },
  ],
  ["PUT", "PUT", { "sec-fetch-site": "cross-site" }],
  ["PATCH", "PATCH", { "sec-fetch-site": "cross-site" }],
  ["DELETE", "DELETE", { "sec-fetch-site": "cross-site" }],
  ["an unknown method", "QUERY", { "sec-fetch-site": "cross-site" }],
])("is rejected: %s", (_name, method, headers) => {
  expect(isForged(method, headers)).toBe(true);
});

test("a method override is ignored, because its header needs a preflight", () => {
  expect(isForged("GET", { "x-http-method-override": "DELETE" })).toBe(false);
  expect(isForged("POST", { "x-http-method-override": "GET", "sec-fetch-site": "cross-site" })).toBe(true);
});

test("another header replaces X-CSRF", () => {
  const csrf = resolveCsrf({ header: "X-Requested-With" }, "guard");
  expect(isForged("POST", { "x-requested-with": "fetch" }, csrf)).toBe(false);
  expect(isForged("POST", { "x-csrf": "1" }, csrf)).toBe(true);
});

test("without a header the default is used, and false turns the check off", () => {
  expect([resolveCsrf({}, "guard"), resolveCsrf(false, "guard")]).toEqual([{ header: "x-csrf" }, undefined]);
});

test.each([
  ["one that forms set", "Content-Type"],
  ["one that browsers set", "Origin"],
  ["one that browsers set, with another beginning", "Sec-X"],
  ["one that proxies set", "X-Forwarded-For"],
  ["another one that proxies set", "X-Request-Id"],
  ["what is no name of a header", "X-a b"],
  ["two of them", "X-A, X-B"],
  ["nothing", ""],
])("a header that would prove nothing is rejected at start-up: %s", (_name, header) => {
  expect(() => resolveCsrf({ header }, "guard")).toThrow("guard: csrf.header must begin with X-");
});

test.each<[unknown, string]>([
  ["yes", "guard: csrf must be true, false or { header }"],
  [null, "guard: csrf must be true, false or { header }"],
  [{ headers: "X-A" }, "guard: there is no option csrf.headers"],
])("an invalid option is rejected: %j", (given, message) => {
  expect(() => resolveCsrf(given as boolean, "guard")).toThrow(message);
});
