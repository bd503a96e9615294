import type { ServerResponse } from "node:http";
import { describe, expect, test } from "vitest";
import type { PortalAuthError } from "../../lib/index.js";
import { CLIENT_SECRET, startWorld } from "../support/world.js";

const json =
  (status: number, body: unknown, headers = {}) =>
  (_req: unknown, res: ServerResponse) => {
    res
      .writeHead(status, { "content-type": "application/json;charset=UTF-8", ...headers })
      .end(JSON.stringify(body));
  };

describe("the request", () => {
  test("is a form with client_id, client_secret and code_verifier together", async () => {
    const { browser, url, asked } = await startWorld();
    await browser.visit(`${url}/account`);
    const [request] = asked("/oauth2/token");
    expect(request?.headers["content-type"]).toMatch(/^application\/x-www-form-urlencoded/);
    expect(request?.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      grant_type: "authorization_code",
      code: expect.any(String),
      redirect_uri: `${url}/callback`,
      client_id: "demo-app",
      client_secret: "the-client-secret-of-the-demo-app",
      code_verifier: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  test("with client_secret_basic has the secret in the header", async () => {
    const { browser, url, asked } = await startWorld({ options: { clientAuth: "client_secret_basic" } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const [request] = asked("/oauth2/token");
    const credentials = atob(request?.headers.authorization?.replace("Basic ", "") ?? "");
    expect(decodeURIComponent(credentials)).toBe("demo-app:the-client-secret-of-the-demo-app"); // RFC 6749, section 2.3.1
    expect(request?.body).not.toContain("client_secret");
  });

  test("of a client without a secret has client_id and code_verifier only", async () => {
    const { browser, url, asked } = await startWorld({
      provider: { clientSecret: undefined, clientAuth: "none" },
      options: { clientAuth: "none" },
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const names = [...new URLSearchParams(asked("/oauth2/token")[0]?.body).keys()].sort();
    expect(names).toEqual(["client_id", "code", "code_verifier", "grant_type", "redirect_uri"]);
  });
});

describe("each documented error response has its own code, and a hint with the likely cause", () => {
  test("an unknown client_id: 401 without a body", async () => {
    const { browser, url, log, provider } = await startWorld({ log: [/client_unknown/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.answerNext("/oauth2/token", (_req, res) => res.writeHead(401).end());
    const page = await browser.navigate(callback);
    expect([page.status, page.body.includes("client_unknown")]).toEqual([500, true]);
    expect(log.join()).toContain("PORTAL_CLIENT_ID is unknown");
  });

  test("a wrong client_secret: 401 invalid_client", async () => {
    const { browser, url, log } = await startWorld({
      options: { clientSecret: "wrong" },
      log: [/client_refused/],
    });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("client_refused")]).toEqual([400, true]);
    expect(log.join()).toContain("PORTAL_CLIENT_SECRET is wrong");
  });

  test("a code that was issued for another challenge: 401 invalid_client", async () => {
    const { browser, url, me } = await startWorld({ log: [/client_refused/] });
    // Code injection: the attacker puts their own code into the victim's callback.
    const victim = await browser.loginUntilCallback(`${url}/account?who=victim`);
    const attacker = await browser.loginUntilCallback(`${url}/account?who=attacker`);
    victim.searchParams.set("code", attacker.searchParams.get("code") ?? "");
    expect((await browser.navigate(victim)).body).toContain("client_refused");
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("a code that is invented, used or expired: 400 invalid_grant", async () => {
    const { browser, url, log } = await startWorld({ log: [/code_refused/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    callback.searchParams.set("code", "invented");
    const page = await browser.navigate(callback);
    expect([page.status, page.body.includes("code_refused")]).toEqual([400, true]);
    expect(log.join()).toContain("already used or too old");
  });

  test("a grant type that is not allowed: 400 unsupported_grant_type", async () => {
    const { browser, url, provider, log } = await startWorld({ log: [/grant_type_refused/] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.answerNext(
      "/oauth2/token",
      json(400, { error: "unsupported_grant_type", error_description: "OAuth 2.0 Parameter: grant_type" }),
    );
    expect((await browser.navigate(callback)).status).toBe(500);
    expect(log.join()).toContain("allow authorization_code (and refresh_token) for this application");
  });
});

describe("the error_description of the token endpoint", () => {
  const EXPIRED = "AADSTS7000222: The provided client secret keys are expired.";

  test("is in the log and in onError without what was sent, and not on the page", async () => {
    const errors: PortalAuthError[] = [];
    const { browser, url, log, provider } = await startWorld({
      options: { hooks: { onError: (error) => void errors.push(error) } },
      log: [/client_refused/],
    });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    const code = callback.searchParams.get("code");
    const error_description = `${EXPIRED}\nSent: ${CLIENT_SECRET} ${code}`;
    provider.answerNext("/oauth2/token", json(401, { error: "invalid_client", error_description }));
    const page = await browser.navigate(callback);
    expect(page.body).not.toContain("AADSTS");
    expect(log.join()).toContain(
      `[token answered 401 invalid_client: the provider says "${EXPIRED} Sent: […] […]"]`,
    );
    expect(errors.map(({ providerDescription }) => providerDescription)).toEqual([
      `${EXPIRED} Sent: […] […]`,
    ]);
  });

  test.each<[string, (req: unknown, res: ServerResponse) => void]>([
    [
      "beside a challenge",
      json(401, { error: "invalid_client", error_description: EXPIRED }, { "www-authenticate": "Basic" }),
    ],
    [
      "as text/html",
      json(401, { error: "invalid_client", error_description: EXPIRED }, { "content-type": "text/html" }),
    ],
    ["with a server error", json(500, { error: "invalid_client", error_description: EXPIRED })],
    ["without an error code", json(400, { error_description: EXPIRED })],
  ])("is read %s", async (_how, respond) => {
    const { browser, url, log, provider } = await startWorld({
      log: [/client_refused|portal_failed|portal_answer_invalid/],
    });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.answerNext("/oauth2/token", respond);
    await browser.navigate(callback);
    expect(log.join()).toContain(`the provider says "${EXPIRED}"`);
  });
});

describe("other invalid responses", () => {
  const challenge = { "www-authenticate": 'Basic realm="portal"' };
  test.each<[string, number, string, (req: unknown, res: ServerResponse) => void]>([
    ["an unknown error", 400, "token_refused", json(400, { error: "slow_down" })],
    ["an error called constructor", 400, "token_refused", json(400, { error: "constructor" })],
    ["an error with a line break and markup", 400, "token_refused", json(400, { error: "x\nFAKE <b>" })],
    [
      "invalid_client with a challenge, as RFC 6749 requires",
      400,
      "client_refused",
      json(401, { error: "invalid_client" }, challenge),
    ],
    ["a server error", 503, "portal_failed", json(500, { error: "oops" })],
    [
      "a server error in HTML",
      503,
      "portal_failed",
      (_req, res) => void res.writeHead(502, { "content-type": "text/html" }).end("<h1>"),
    ],
    ["server_error with 400", 503, "portal_failed", json(400, { error: "server_error" })],
    [
      "HTML with 200",
      502,
      "portal_answer_invalid",
      (_req, res) => void res.writeHead(200, { "content-type": "text/html" }).end("<h1>"),
    ],
    [
      "invalid JSON",
      502,
      "portal_answer_invalid",
      (_req, res) => void res.writeHead(200, { "content-type": "application/json" }).end('{"access_token":'),
    ],
    ["an array", 502, "portal_answer_invalid", json(200, ["x"])],
    ["an empty 200", 502, "portal_answer_invalid", (_req, res) => void res.writeHead(200).end()],
    [
      "a redirect",
      502,
      "portal_answer_invalid",
      (_req, res) => void res.writeHead(302, { location: "http://127.0.0.1:1/" }).end(),
    ],
    [
      "status 418",
      502,
      "portal_answer_invalid",
      (_req, res) => void res.writeHead(418).end("short and stout"),
    ],
    ["no access token", 502, "portal_answer_invalid", json(200, { token_type: "Bearer" })],
    [
      "an access token that is a number",
      502,
      "portal_answer_invalid",
      json(200, { access_token: 7, token_type: "Bearer" }),
    ],
    [
      "an unknown token type",
      502,
      "portal_answer_invalid",
      json(200, { access_token: "x", token_type: "Cookie" }),
    ],
    [
      "a token that is bound to a key",
      502,
      "portal_answer_invalid",
      json(200, { access_token: "x", token_type: "DPoP" }),
    ],
    [
      "a lifetime that is not a number",
      502,
      "portal_answer_invalid",
      json(200, { access_token: "x", token_type: "Bearer", expires_in: "soon" }),
    ],
    [
      "a negative lifetime",
      502,
      "portal_answer_invalid",
      json(200, { access_token: "x", token_type: "Bearer", expires_in: -1 }),
    ],
    ["no ID token", 400, "id_token_missing", json(200, { access_token: "x", token_type: "Bearer" })],
    [
      "an ID token that is not a JWT",
      400,
      "id_token_invalid",
      json(200, { access_token: "x", token_type: "Bearer", id_token: "a.b.c" }),
    ],
    [
      "an encrypted ID token",
      400,
      "id_token_invalid",
      json(200, { access_token: "x", token_type: "Bearer", id_token: "a.b.c.d.e" }),
    ],
  ])("%s causes %i %s, and no session is created", async (_name, status, code, respond) => {
    const { browser, url, provider, me, log } = await startWorld({ log: [new RegExp(code)] });
    const callback = await browser.loginUntilCallback(`${url}/account`);
    provider.answerNext("/oauth2/token", respond);
    const page = await browser.navigate(callback);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([status, code]);
    expect((await me()).isAuthenticated).toBe(false);
    expect(log.every((line) => !line.includes("\n"))).toBe(true);
    expect(log.join()).not.toContain("<b>");
  });
});

describe("the session", () => {
  test("contains the tokens, and when the access token expires", async () => {
    const { browser, url, me } = await startWorld();
    await browser.visit(`${url}/account`);
    const { tokens } = await me();
    const lifetimeSeconds = (tokens?.expires_at ?? 0) - Date.now() / 1000;
    expect(lifetimeSeconds).toBeGreaterThan(290);
    expect(lifetimeSeconds).toBeLessThanOrEqual(300);
  });

  test.each<[string, Record<string, unknown>, (tokens: Record<string, unknown>) => void]>([
    [
      "a lifetime in a string",
      { expires_in: "299" },
      (t) => expect(Number(t["expires_at"])).toBeGreaterThan(Date.now() / 1000 + 200),
    ],
    ["no lifetime", { expires_in: undefined }, (t) => expect(t).not.toHaveProperty("expires_at")],
    [
      "an enormous lifetime",
      { expires_in: 1e300 },
      (t) => expect(Number.isSafeInteger(t["expires_at"])).toBe(true),
    ],
    ["no refresh token", { refresh_token: undefined }, (t) => expect(t).not.toHaveProperty("refresh_token")],
    [
      "a refresh token of null",
      { refresh_token: null },
      (t) => expect(t).not.toHaveProperty("refresh_token"),
    ],
    ["an empty refresh token", { refresh_token: "" }, (t) => expect(t).not.toHaveProperty("refresh_token")],
    ["a lifetime of null", { expires_in: null }, (t) => expect(t).not.toHaveProperty("expires_at")],
    ["a scope of null", { scope: null }, (t) => expect(t).not.toHaveProperty("scope")],
    ["a list of scopes", { scope: ["openid", "reports"] }, (t) => expect(t["scope"]).toBe("openid reports")],
    ["an empty scope", { scope: "" }, (t) => expect(t["scope"]).toBe("")],
    ["an empty list of scopes", { scope: [] }, (t) => expect(t["scope"]).toBe("")],
    [
      "unknown members",
      { shoe_size: 42, constructor: "x" },
      (t) => expect(Object.keys(t)).not.toContain("shoe_size"),
    ],
  ])("is created from a token response with %s", async (_name, changes, check) => {
    const { browser, url, provider, me } = await startWorld();
    provider.nextTokenResponse(changes);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    check((await me()).tokens as unknown as Record<string, unknown>);
  });
});
