import { describe, expect, test } from "vitest";
import { renderPage } from "../../lib/answer/page-html.js";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../../lib/errors/portal-auth-error.js";
import { redactError } from "../../lib/errors/redact.js";
import { requireAuth } from "../../lib/index.js";
import { startWorld } from "../support/world.js";

const ROUTES: [string, string][] = [
  ["/login", "a redirect to the provider"],
  ["/callback?code=x&state=x", "an error page"],
  ["/logout", "a redirect to the provider's logout"],
  ["/account", "a guard that starts a login"],
];

/** Creates a body that is larger than the buffer of a socket, and so slow that the response comes first. */
const createSlowBody = () =>
  new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      controller.enqueue(new TextEncoder().encode("a".repeat(10_000)));
    },
  });

describe("each response", () => {
  test.each(ROUTES)("%s (%s) has the security headers, no-store and no-referrer", async (path) => {
    const { browser, url } = await startWorld({ log: [/login_not_found/] });
    const { headers } = await browser.navigate(url + path);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["content-security-policy"]).not.toContain("unsafe-inline");
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["x-frame-options"]).toBe("DENY");
  });

  test("also has them as problem+json", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.fetch(`${url}/account`);
    expect([headers["cache-control"], headers["x-content-type-options"]]).toEqual(["no-store", "nosniff"]);
  });

  test.each<[string, RequestInit, string]>([
    ["a 401 for a GET", {}, "keep-alive"],
    ["a 401 for a POST without a body", { method: "POST" }, "keep-alive"],
    ["a 401 for a body that was not read", { method: "POST", body: "a".repeat(100_000) }, "close"],
    [
      "a 401 for a body of unknown length",
      { method: "POST", body: createSlowBody(), duplex: "half" } as RequestInit,
      "close",
    ],
  ])("%s has the right Connection header", async (_case, request, connection) => {
    const { url } = await startWorld({
      after: (app) =>
        app.all("/guarded", requireAuth(), (_req, res) => {
          res.send("in");
        }),
    });
    const response = await fetch(`${url}/guarded`, request);
    expect([response.status, response.headers.get("connection")]).toEqual([401, connection]);
    await response.text();
  });

  test("does not change other responses of the app", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.visit(`${url}/`);
    expect(headers).not.toHaveProperty("content-security-policy");
    expect(headers).not.toHaveProperty("cache-control");
  });

  test("does not set Strict-Transport-Security, which applies to the whole host", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.navigate(`${url}/login`)).headers).not.toHaveProperty("strict-transport-security");
  });
});

describe("a page", () => {
  test("has no script and loads nothing, and the CSP allows only its style", async () => {
    const { browser, url } = await startWorld({ log: [/login_not_found/] });
    const { body, headers } = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body).not.toMatch(/<script|<link|<img|src=|url\(|@import/);
    const [, style = ""] = /<style>([\s\S]*)<\/style>/.exec(body) ?? [];
    const { createHash } = await import("node:crypto");
    expect(headers["content-security-policy"]).toContain(createHash("sha256").update(style).digest("base64"));
  });

  test("has a viewport, a dark colour scheme, its language, and the request id of the log", async () => {
    const { browser, url, log } = await startWorld({ log: [/login_not_found/] });
    const { body } = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect(body).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(body).toContain("prefers-color-scheme:dark");
    expect(body).toContain('<html lang="en">');
    const [, id] = /login_not_found · request ([0-9a-f]{12})/.exec(body) ?? [];
    expect(log.join()).toContain(`request ${id}`);
  });

  test("links to the login at the path where the router is mounted", async () => {
    const { browser, url } = await startWorld({ mount: "/app", log: [/login_not_found/] });
    expect((await browser.navigate(`${url}/app/callback?code=x&state=x`)).body).toContain(
      'href="/app/login"',
    );
  });

  test.each<[PortalAuthErrorCode, string, string]>([
    ["login_denied", "Not signed in", "Sign in"], // the first sign-in did not fail
    ["code_refused", "Sign-in failed", "Sign in again"],
    // The user has not been at the provider yet.
    ["portal_unreachable", "Temporarily unavailable", "Try again"],
  ])(
    "after a login that failed with %s has the heading “%s” and the link “%s”",
    async (code, title, label) => {
      const { browser, url } = await startWorld({
        options: {
          authorizationParams: () => {
            throw new PortalAuthError(code);
          },
        },
        log: [new RegExp(code)],
      });
      const { body } = await browser.navigate(`${url}/login`);
      expect(body).toContain(`<h1>${title}</h1>`);
      expect(body).toContain(`>${label}</a>`);
    },
  );

  test("has no link to sign in without the login route", async () => {
    const { browser, url } = await startWorld({
      options: { routes: { login: false } },
      log: [/login_not_found/],
    });
    expect((await browser.navigate(`${url}/callback?code=x&state=x`)).body).not.toContain("Sign in again");
  });

  test("escapes all texts", () => {
    const attack = `<img src=x onerror='alert("1")'>&`;
    const page = renderPage({
      kind: "failure",
      lang: "en",
      title: attack,
      text: attack,
      footnote: attack,
      actions: [
        { label: attack, href: `/"${attack}` },
        { label: attack, post: `/"${attack}`, fields: [[attack, attack]] },
      ],
    });
    expect(page).not.toContain("<img");
    expect(page).not.toMatch(/="[^"]*"[^\s>]/);
  });
});

describe("PortalAuthError", () => {
  test.each(Object.entries(errorDefinitions))(
    "has a status, a user message and a hint for %s",
    (code, { status, hint }) => {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(hint.length).toBeGreaterThan(20);
      const error = new PortalAuthError(code as PortalAuthErrorCode);
      expect([error.name, error.code, error.status]).toEqual(["PortalAuthError", code, status]);
      expect(error.sentence).toMatch(/^[A-Z].*[.]$/);
    },
  );

  test("the sentence of a hook is for the user, and the detail only for the developer", () => {
    const error = new PortalAuthError("login_refused", {
      sentence: "Members only.",
      detail: "group missing",
    });
    expect(error.sentence).toBe("Members only.");
    expect(error.message).toContain("[group missing]");
  });

  test("an error without a cause has no member cause, which Express would print", () => {
    expect("cause" in new PortalAuthError("login_refused")).toBe(false);
  });
});

describe("the log", () => {
  test("has one line for each failure, for any text in the URL", async () => {
    const { browser, url, log } = await startWorld({ log: [/callback_invalid|authorization_refused/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.delete("code");
    callback.searchParams.set("error", "x\r\n[express-portal-auth] forged\u2028line\u0085");
    await browser.navigate(callback);
    expect(log).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the test looks for control characters
    expect(log[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  });

  test("shows errors of the app without passwords in URLs and without long tokens", () => {
    const error = new Error(`cannot reach redis://default:hunter2@cache:6379 with ${"x".repeat(40)}`);
    expect(redactError(error)).toBe("Error: cannot reach redis://[…]@cache:6379 with […]");
    expect(redactError("a thrown text")).toBe("string");
  });

  test("has no line for a user who is not signed in", async () => {
    const { browser, url, log } = await startWorld();
    await browser.fetch(`${url}/account`);
    await browser.visit(`${url}/`);
    expect(log).toEqual([]);
  });
});
