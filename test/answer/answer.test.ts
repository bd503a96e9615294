import { describe, expect, test } from "vitest";
import { renderPage } from "../../lib/answer/page-html.js";
import { errorDefinitions } from "../../lib/errors/error-codes.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../../lib/errors/portal-auth-error.js";
import { redactError } from "../../lib/errors/redact.js";
import { requireAuth } from "../../lib/index.js";
import { startWorld } from "../support/world.js";

const ROUTES: [string, string][] = [
  ["/login", "a redirect to the portal"],
  ["/callback?code=x&state=x", "an error page"],
  ["/logout", "a redirect to the portal's logout"],
  ["/account", "a guard that begins a login"],
];

/** More than a socket holds, and slowly enough that the answer comes first. */
const stream = () =>
  new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setImmediate(resolve));
      controller.enqueue(new TextEncoder().encode("a".repeat(10_000)));
    },
  });

describe("every answer of ours", () => {
  test.each(ROUTES)(
    "%s (%s) is guarded by helmet, kept in no cache, and tells no address to the next site",
    async (path) => {
      const { browser, url } = await startWorld({ log: [/login_not_found/] });
      const { headers } = await browser.navigate(url + path);
      expect(headers["cache-control"]).toBe("no-store");
      expect(headers["referrer-policy"]).toBe("no-referrer");
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
      expect(headers["content-security-policy"]).not.toContain("unsafe-inline");
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["x-frame-options"]).toBe("DENY");
    },
  );

  test("as problem+json as well", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.fetch(`${url}/account`);
    expect([headers["cache-control"], headers["x-content-type-options"]]).toEqual(["no-store", "nosniff"]);
  });

  test.each<[string, RequestInit, string]>([
    ["a refusal of what has no body", {}, "keep-alive"],
    ["a refusal of a POST without a body", { method: "POST" }, "keep-alive"],
    ["a refusal of a body that nobody has read", { method: "POST", body: "a".repeat(100_000) }, "close"],
    [
      "a refusal of a body of unknown length",
      { method: "POST", body: stream(), duplex: "half" } as RequestInit,
      "close",
    ],
  ])("%s leaves the connection as it should be", async (_name, request, connection) => {
    const { url } = await startWorld({
      after: (app) => app.all("/guarded", requireAuth(), (_req, res) => void res.send("in")),
    });
    const answer = await fetch(`${url}/guarded`, request);
    expect([answer.status, answer.headers.get("connection")]).toEqual([401, connection]);
    await answer.text();
  });

  test("leaves the app's other answers alone", async () => {
    const { browser, url } = await startWorld();
    const { headers } = await browser.visit(`${url}/`);
    expect(headers).not.toHaveProperty("content-security-policy");
    expect(headers).not.toHaveProperty("cache-control");
  });

  test("leaves Strict-Transport-Security to the app: it speaks for the whole host", async () => {
    const { browser, url } = await startWorld();
    expect((await browser.navigate(`${url}/login`)).headers).not.toHaveProperty("strict-transport-security");
  });
});

describe("a page", () => {
  test("is complete in itself: no script, nothing to load, and its style is the one that the CSP allows", async () => {
    const { browser, url } = await startWorld({ log: [/login_not_found/] });
    const { body, headers } = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect(headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(body).not.toMatch(/<script|<link|<img|src=|url\(|@import/);
    const [, style = ""] = /<style>([\s\S]*)<\/style>/.exec(body) ?? [];
    const { createHash } = await import("node:crypto");
    expect(headers["content-security-policy"]).toContain(createHash("sha256").update(style).digest("base64"));
  });

  test("fits a phone, in light and dark, names its language, and carries the request id that stands in the log", async () => {
    const { browser, url, log } = await startWorld({ log: [/login_not_found/] });
    const { body } = await browser.navigate(`${url}/callback?code=x&state=x`);
    expect(body).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(body).toContain("prefers-color-scheme:dark");
    expect(body).toContain('<html lang="en">');
    const [, id] = /login_not_found · request ([0-9a-f]{12})/.exec(body) ?? [];
    expect(log.join()).toContain(`request ${id}`);
  });

  test("leads to the login where the router is mounted", async () => {
    const { browser, url } = await startWorld({ mount: "/app", log: [/login_not_found/] });
    expect((await browser.navigate(`${url}/app/callback?code=x&state=x`)).body).toContain(
      'href="/app/login"',
    );
  });

  test.each<[PortalAuthErrorCode, string, string]>([
    ["login_denied", "Not signed in", "Sign in"], // there is nothing to do again
    ["code_refused", "Sign-in failed", "Sign in again"],
    ["portal_unreachable", "Temporarily unavailable", "Try again"], // the portal has not been seen yet
  ])(
    "of a login that failed with %s is headed “%s”, and its first way out is “%s”",
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

  test("offers no sign-in where there is no such route", async () => {
    const { browser, url } = await startWorld({
      options: { routes: { login: false } },
      log: [/login_not_found/],
    });
    expect((await browser.navigate(`${url}/callback?code=x&state=x`)).body).not.toContain("Sign in again");
  });

  test("escapes everything", () => {
    const evil = `<img src=x onerror='alert("1")'>&`;
    const page = renderPage({
      kind: "failure",
      lang: "en",
      title: evil,
      text: evil,
      footnote: evil,
      actions: [
        { label: evil, href: `/"${evil}` },
        { label: evil, post: `/"${evil}`, fields: [[evil, evil]] },
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

  test("a hook may say more to the person, and the detail goes to the developer alone", () => {
    const error = new PortalAuthError("login_refused", {
      sentence: "Members only.",
      detail: "group missing",
    });
    expect(error.sentence).toBe("Members only.");
    expect(error.message).toContain("[group missing]");
  });

  test("an error without a cause has none, not even an empty one: Express prints causes", () => {
    expect("cause" in new PortalAuthError("login_refused")).toBe(false);
  });
});

describe("the log", () => {
  test("is one line a failure, whatever a stranger writes into the address", async () => {
    const { browser, url, log } = await startWorld({ log: [/callback_invalid|authorization_refused/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.delete("code");
    callback.searchParams.set("error", "x\r\n[express-portal-auth] forged\u2028line\u0085");
    await browser.navigate(callback);
    expect(log).toHaveLength(1);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
    expect(log[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
  });

  test("shows an error of the app without what such errors carry: passwords in addresses, long tokens", () => {
    const error = new Error(`cannot reach redis://default:hunter2@cache:6379 with ${"x".repeat(40)}`);
    expect(redactError(error)).toBe("Error: cannot reach redis://[…]@cache:6379 with […]");
    expect(redactError("thrown as it is: geheim")).toBe("string");
  });

  test("says nothing of a person who is not logged in", async () => {
    const { browser, url, log } = await startWorld();
    await browser.fetch(`${url}/account`);
    await browser.visit(`${url}/`);
    expect(log).toEqual([]);
  });
});
