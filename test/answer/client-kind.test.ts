import { expect, test } from "vitest";
import { requireAuth } from "../../lib/index.js";
import { startWorld } from "../support/world.js";

// Tests the table "Redirect, page or 401" of the guide's page protecting-routes.md, for a user who is not
// signed in.

const BROWSER =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/15.6 Safari/605.1.15";
const OFFICE = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)";
const HTML = "text/html,application/xhtml+xml,*/*;q=0.8";
const FORM = "application/x-www-form-urlencoded";

/** A redirect to the provider; 401 as a page or as a problem; or a page with status 200. */
type Outcome = "redirect" | "page" | "problem" | "office page";

const ROWS: readonly [name: string, method: string, headers: Record<string, string>, outcome: Outcome][] = [
  ["a prefetch", "GET", { "sec-fetch-mode": "navigate", "sec-purpose": "prefetch", accept: HTML }, "problem"],
  ["a browser that navigates", "GET", { "sec-fetch-mode": "navigate", accept: "*/*" }, "redirect"],
  ["a browser that navigates, without Accept", "GET", { "sec-fetch-mode": "navigate" }, "redirect"],
  ["a browser that posts a form", "POST", { "sec-fetch-mode": "navigate", "content-type": FORM }, "page"],
  ["fetch()", "GET", { "sec-fetch-mode": "cors", accept: HTML }, "problem"],
  [
    "fetch() that posts a form",
    "POST",
    { "sec-fetch-mode": "cors", accept: "*/*", "content-type": FORM },
    "problem",
  ],
  ["an XMLHttpRequest of jQuery", "GET", { accept: HTML, "x-requested-with": "XMLHttpRequest" }, "problem"],
  ["Android's WebView", "GET", { accept: HTML, "x-requested-with": "com.example.app" }, "redirect"],
  ["a client with a token", "GET", { accept: HTML, authorization: "Bearer abc" }, "problem"],
  ["a browser behind Basic authentication", "GET", { accept: HTML, authorization: "Basic abc" }, "redirect"],
  ["an old browser", "GET", { accept: HTML, "user-agent": BROWSER }, "redirect"],
  ["an old browser that posts a form", "POST", { accept: HTML, "content-type": FORM }, "page"],
  [
    "a client that accepts JSON",
    "GET",
    { accept: "application/json, text/plain, */*", "user-agent": BROWSER },
    "problem",
  ],
  ["an event stream", "GET", { accept: "text/event-stream", "user-agent": BROWSER }, "problem"],
  ["an image of an old browser", "GET", { accept: "image/*,*/*;q=0.8", "user-agent": BROWSER }, "problem"],
  ["a browser without Accept that upgrades", "GET", { "upgrade-insecure-requests": "1" }, "redirect"],
  ["a browser behind CloudFront", "GET", { "user-agent": "Amazon CloudFront" }, "page"],
  ["a form behind CloudFront", "POST", { "user-agent": "Amazon CloudFront", "content-type": FORM }, "page"],
  [
    "JSON behind CloudFront",
    "POST",
    { "user-agent": "Amazon CloudFront", "content-type": "application/json" },
    "problem",
  ],
  ["a browser that accepts anything", "GET", { accept: "*/*", "user-agent": BROWSER }, "page"],
  [
    "fetch() of an old browser that posts",
    "POST",
    { accept: "*/*", "user-agent": BROWSER, "content-type": FORM },
    "problem",
  ],
  ["curl", "GET", { accept: "*/*", "user-agent": "curl/8.5.0" }, "problem"],
  [
    "curl that posts a form",
    "POST",
    { accept: "*/*", "user-agent": "curl/8.5.0", "content-type": FORM },
    "problem",
  ],
  ["a program without Accept", "GET", { "user-agent": "Go-http-client/1.1" }, "problem"],
  ["a program without headers", "GET", {}, "problem"],
  ["a link in an Office document", "GET", { accept: "*/*", "user-agent": OFFICE }, "office page"],
  [
    "Outlook",
    "GET",
    { accept: "*/*", "user-agent": "Microsoft Office/16.0 (Microsoft Outlook 16.0; Pro)" },
    "problem",
  ],
];

const STATUS: Readonly<Record<Outcome, number>> = {
  redirect: 302,
  page: 401,
  problem: 401,
  "office page": 200,
};

test.each(ROWS)("%s (%s)", async (_client, method, headers, outcome) => {
  const { url, browser, provider } = await startWorld({
    after: (app) =>
      app.all("/thing", requireAuth(), (_req, res) => {
        res.send("in");
      }),
  });
  const response = await browser.request(`${url}/thing?a=b`, { method, headers });
  expect(response.status).toBe(STATUS[outcome]);
  expect(String(response.headers.location).startsWith(provider.issuer)).toBe(outcome === "redirect");
  expect(response.headers["set-cookie"] !== undefined).toBe(outcome === "redirect");
  const type = outcome === "problem" ? "application/problem+json" : "text/html; charset=utf-8";
  if (outcome !== "redirect") expect(response.headers["content-type"]).toBe(type);
  if (response.status === 401) expect(response.headers["www-authenticate"]).toMatch(/^Bearer realm=/);
  const returnTo = method === "GET" ? "%2Fthing%3Fa%3Db" : "%2F";
  if (type !== "application/problem+json" && outcome !== "redirect")
    expect(response.body).toContain(`href="/login?returnTo=${returnTo}"`);
});

test("a link to /login in an Office document starts no login", async () => {
  const { url, browser } = await startWorld();
  const headers = { accept: "*/*", "user-agent": OFFICE };
  const response = await browser.request(`${url}/login?returnTo=/account`, { headers });
  expect([response.status, response.headers["set-cookie"]]).toEqual([200, undefined]);
  expect(response.body).toContain('href="/login?returnTo=/account"');
});
