import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from "jose";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  DEMO_USERS,
  type LocalProvider,
  type LocalProviderOptions,
  startLocalProvider,
} from "../../lib/testing/provider/local-provider.js";
import { advanceDate } from "../support/fake-time.js";

const printed = (["log", "info", "warn", "error"] as const).map((kind) => vi.spyOn(console, kind));

const CALLBACK = "http://127.0.0.1:3000/callback";
const LOGGED_OUT = "http://127.0.0.1:3000/";
const CLIENT = { clientId: "demo-app", clientSecret: "demo-secret", redirectUris: [CALLBACK] };
const OTHER = {
  clientId: "other-app",
  clientSecret: "other-secret",
  redirectUris: ["http://127.0.0.1:4000/callback"],
};
const CREDENTIALS = { client_id: "demo-app", client_secret: "demo-secret" };
const OTHER_CREDENTIALS = { client_id: "other-app", client_secret: "other-secret" };
const USER = "amara-okafor";

const providers: LocalProvider[] = [];

async function start(options: Partial<LocalProviderOptions> = {}): Promise<LocalProvider> {
  const provider = await startLocalProvider({ ...CLIENT, logoutRedirectUris: [LOGGED_OUT], ...options });
  providers.push(provider);
  return provider;
}

afterEach(async () => {
  await Promise.all(providers.splice(0).map((provider) => provider.close()));
});

/** A browser with cookies by name and path. */
class Browser {
  readonly #jar = new Map<string, { name: string; value: string; path: string }>();

  async visit(url: string | URL, form?: Record<string, string>): Promise<Response> {
    const { pathname } = new URL(url);
    const cookie = [...this.#jar.values()]
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join("; ");
    const response = await fetch(url, {
      redirect: "manual",
      headers: { cookie, accept: "text/html" },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      const path = /path=([^;]*)/i.exec(line)?.[1] ?? "/";
      if (value === "") this.#jar.delete(`${name} ${path}`);
      else this.#jar.set(`${name} ${path}`, { name, value, path });
    }
    return response;
  }

  /**
   * Sends the form of a login page, and returns the URL of the application to which the provider redirects.
   */
  async submit(page: string | URL, form: Record<string, string>): Promise<URL> {
    const response = await this.visit(page, form);
    expect(response.status).toBe(303);
    const resumed = await this.visit(location(response, page));
    expect(resumed.status).toBe(302);
    return location(resumed);
  }

  /**
   * Sends an authorization request, and the form of the login page if there is one. Returns the URL of the
   * application to which the provider redirects.
   */
  async login(provider: LocalProvider, params: Record<string, string> = {}, sub = USER): Promise<URL> {
    const first = location(await this.visit(authorizeUrl(provider, params)), provider.issuer);
    return first.pathname === "/portal/login" ? this.submit(first, { sub }) : first;
  }
}

function location(response: Response, base?: string | URL): URL {
  return new URL(response.headers.get("location") ?? "", base);
}

function authorizeUrl(provider: LocalProvider, params: Record<string, string | undefined> = {}): URL {
  const url = new URL("/oauth2/authorize", provider.issuer);
  const all = {
    client_id: "demo-app",
    redirect_uri: CALLBACK,
    response_type: "code",
    scope: "openid",
    ...params,
  };
  for (const [name, value] of Object.entries(all)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

function post(
  provider: LocalProvider,
  path: string,
  form: Record<string, string>,
  headers: Record<string, string> = {},
) {
  return fetch(new URL(path, provider.issuer), { method: "POST", headers, body: new URLSearchParams(form) });
}

async function newCode(
  provider: LocalProvider,
  params: Record<string, string> = {},
  browser = new Browser(),
): Promise<string> {
  return (await browser.login(provider, params)).searchParams.get("code") ?? "";
}

const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");

const exchange = (provider: LocalProvider, code: string, more: Record<string, string> = {}) =>
  post(provider, "/oauth2/token", {
    ...CREDENTIALS,
    grant_type: "authorization_code",
    code,
    redirect_uri: CALLBACK,
    ...more,
  });

const refresh = (
  provider: LocalProvider,
  refresh_token: string,
  credentials: Record<string, string> = CREDENTIALS,
) => post(provider, "/oauth2/token", { ...credentials, grant_type: "refresh_token", refresh_token });

interface TokenResponse {
  access_token: string;
  refresh_token: string;
  id_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
}

const tokensOf = async (sending: Promise<Response>): Promise<TokenResponse> => {
  const response = await sending;
  expect(response.status).toBe(200);
  return (await response.json()) as TokenResponse;
};

const newTokens = async (
  provider: LocalProvider,
  params: Record<string, string> = {},
): Promise<TokenResponse> => tokensOf(exchange(provider, await newCode(provider, params)));

const userInfo = (provider: LocalProvider, token?: string) =>
  fetch(
    `${provider.issuer}/userinfo`,
    token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
  );

const getJson = async (provider: LocalProvider, path: string) =>
  (await (await fetch(provider.issuer + path)).json()) as Record<string, unknown>;

const keySet = async (provider: LocalProvider) =>
  createLocalJWKSet((await getJson(provider, "/oauth2/jwks")) as unknown as JSONWebKeySet);

function pkce() {
  const code_verifier = randomBytes(32).toString("base64url");
  const code_challenge = createHash("sha256").update(code_verifier).digest("base64url");
  return { code_verifier, challenge: { code_challenge, code_challenge_method: "S256" } };
}

const DISCOVERY = "/.well-known/openid-configuration";

describe("discovery and keys", () => {
  test("the discovery document contains the documented members only", async () => {
    const provider = await start();
    const { issuer } = provider;
    expect(issuer).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await getJson(provider, DISCOVERY)).toEqual({
      issuer,
      authorization_endpoint: `${issuer}/oauth2/authorize`,
      token_endpoint: `${issuer}/oauth2/token`,
      token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
      jwks_uri: `${issuer}/oauth2/jwks`,
      response_types_supported: ["code"],
      grant_types_supported: ["authorization_code", "client_credentials", "refresh_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["RS256"],
      scopes_supported: ["openid"],
    });
  });

  test("a key has kty, e, kid and n, and neither alg nor use", async () => {
    const { keys } = (await getJson(await start(), "/oauth2/jwks")) as { keys: object[] };
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([["e", "kid", "kty", "n"]]);
  });

  test("alterDiscovery() changes the document from then on, by its return value or in place", async () => {
    const provider = await start();
    provider.alterDiscovery((document) => ({ ...document, issuer: "http://elsewhere.example" }));
    expect(await getJson(provider, DISCOVERY)).toMatchObject({ issuer: "http://elsewhere.example" });
    provider.alterDiscovery((document) => {
      delete document["token_endpoint"];
    });
    expect(await getJson(provider, DISCOVERY)).not.toHaveProperty("token_endpoint");
    provider.alterDiscovery(() => null);
    expect(await getJson(provider, DISCOVERY)).toBeNull();
  });

  test("alterKeys() can rename the member of the key set", async () => {
    const provider = await start();
    provider.alterKeys(({ keys }) => ({ Keys: keys }));
    expect(Object.keys(await getJson(provider, "/oauth2/jwks"))).toEqual(["Keys"]);
  });

  test("rotateKeys() publishes a key with a new kid only, and old access tokens stay valid", async () => {
    const provider = await start();
    const before = await newTokens(provider);
    await provider.rotateKeys();
    const after = await newTokens(provider);
    const set = await keySet(provider);
    await expect(jwtVerify(after.id_token, set)).resolves.toBeDefined();
    await expect(jwtVerify(before.id_token, set)).rejects.toThrow();
    expect(decodeProtectedHeader(after.id_token).kid).not.toBe(decodeProtectedHeader(before.id_token).kid);
    expect((await userInfo(provider, before.access_token)).status).toBe(200);
  });

  test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)(
    "tokens can be signed with %s",
    async (signingAlg) => {
      const provider = await start({ signingAlg });
      expect(await getJson(provider, DISCOVERY)).toMatchObject({
        id_token_signing_alg_values_supported: [signingAlg],
      });
      const { id_token } = await newTokens(provider);
      const { protectedHeader } = await jwtVerify(id_token, await keySet(provider), {
        algorithms: [signingAlg],
      });
      expect(protectedHeader.alg).toBe(signingAlg);
    },
  );
});

describe("login", () => {
  test("the login page leads redirect to the application with code and state, without iss", async () => {
    const provider = await start();
    const browser = new Browser();
    const first = await browser.visit(authorizeUrl(provider, { state: "a state & more" }));
    expect(first.status).toBe(302);
    expect(first.headers.get("location")).toMatch(/^\/portal\/login\?p_state=[\w-]+$/);

    const redirect = await browser.submit(location(first, provider.issuer), { sub: USER });
    expect(redirect.href.startsWith(`${CALLBACK}?`)).toBe(true);
    expect([...redirect.searchParams.keys()].sort()).toEqual(["code", "state"]);
    expect(redirect.searchParams.get("state")).toBe("a state & more");
  });

  test("the login page shows all users, and says that it is a test provider", async () => {
    const provider = await start({
      users: [...DEMO_USERS, { sub: 'x"><i>', name: "<script>alert(1)</script>" }],
    });
    const browser = new Browser();
    const params = { auth_source_id: "<b>wechat</b>" };
    const address = location(await browser.visit(authorizeUrl(provider, params)), provider.issuer);
    const page = await browser.visit(address);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    const html = await page.text();
    expect(html).toContain("test provider");
    expect(html).toContain("&lt;b&gt;wechat&lt;/b&gt;");
    for (const { sub } of DEMO_USERS) expect(html).toContain(`<button name="sub" value="${sub}">`);
    expect(html).toContain('value="x&quot;&gt;&lt;i&gt;"');
    expect(html).not.toContain("<script");

    const [, style = ""] = /<style>([\s\S]*)<\/style>/.exec(html) ?? [];
    const policy = page.headers.get("content-security-policy");
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'`);
    expect(policy).toContain("form-action 'self' http://127.0.0.1:3000;");
    expect((await browser.submit(address, { sub: 'x"><i>' })).searchParams.has("code")).toBe(true);
  });

  test("a second login needs no login page until the user has signed out at the provider", async () => {
    const provider = await start();
    const browser = new Browser();
    await browser.login(provider);
    const second = await browser.visit(authorizeUrl(provider));
    expect(second.status).toBe(302);
    expect(location(second).searchParams.has("code")).toBe(true);

    await browser.visit(`${provider.issuer}/logout?client_id=demo-app`);
    const third = await browser.visit(authorizeUrl(provider));
    expect(location(third, provider.issuer).pathname).toBe("/portal/login");
  });

  test("a denied login leads to a redirect with access_denied and a misleading description", async () => {
    const provider = await start();
    const browser = new Browser();
    const page = location(await browser.visit(authorizeUrl(provider, { state: "s" })), provider.issuer);
    const redirect = await browser.submit(page, { deny: "yes" });
    expect(Object.fromEntries(redirect.searchParams)).toEqual({
      error: "access_denied",
      error_description: "OAuth 2.0 Parameter: scope",
      error_uri: expect.any(String),
      state: "s",
    });
  });

  test.each<[string, Record<string, string>]>([
    ["a login", { sub: USER }],
    ["a denied login", { deny: "yes" }],
  ])("a second post of %s gets the same response, as after a double click", async (_name, form) => {
    const provider = await start();
    const browser = new Browser();
    const page = location(await browser.visit(authorizeUrl(provider, { state: "s" })), provider.issuer);
    const first = await browser.submit(page, form);
    await vi.waitFor(async () =>
      expect(location(await browser.visit(page, form), page).href).toBe(first.href),
    );
  });

  test("a second post of a login gets a code if the first response has not been sent", async () => {
    const provider = await start();
    const browser = new Browser();
    const page = location(await browser.visit(authorizeUrl(provider)), provider.issuer);
    await browser.visit(page, { sub: USER });
    expect((await browser.submit(page, { sub: USER })).searchParams.has("code")).toBe(true);
  });

  test("two tabs can sign in at the same time", async () => {
    const provider = await start();
    const browser = new Browser();
    const one = location(await browser.visit(authorizeUrl(provider, { state: "one" })), provider.issuer);
    const two = location(await browser.visit(authorizeUrl(provider, { state: "two" })), provider.issuer);
    const redirects = [await browser.submit(one, { sub: USER }), await browser.submit(two, { sub: USER })];
    expect(redirects.map(({ searchParams }) => searchParams.get("state"))).toEqual(["one", "two"]);
    expect(redirects.every(({ searchParams }) => searchParams.has("code"))).toBe(true);
  });

  test("prompt=login shows the login page again, and another user can sign in", async () => {
    const provider = await start();
    const browser = new Browser();
    await browser.login(provider);
    const redirect = await browser.login(provider, { prompt: "login" }, "jonas-weber");
    const { id_token } = await tokensOf(exchange(provider, redirect.searchParams.get("code") ?? ""));
    expect(decodeJwt(id_token).sub).toBe("jonas-weber");
    const silent = await browser.login(provider, { prompt: "none" });
    const { id_token: later } = await tokensOf(exchange(provider, silent.searchParams.get("code") ?? ""));
    expect(decodeJwt(later).sub).toBe("jonas-weber");
  });

  test("prompt=none without a session leads to login_required", async () => {
    const provider = await start();
    const redirect = location(
      await new Browser().visit(authorizeUrl(provider, { prompt: "none", state: "s" })),
    );
    expect(Object.fromEntries(redirect.searchParams)).toMatchObject({ error: "login_required", state: "s" });
    expect(redirect.searchParams.has("iss")).toBe(false);
  });

  test("a login page without a login attempt, and an unknown user, get 400", async () => {
    const provider = await start();
    const browser = new Browser();
    expect((await browser.visit(`${provider.issuer}/portal/login?p_state=nonsense`)).status).toBe(400);
    expect((await browser.visit(`${provider.issuer}/portal/login`)).status).toBe(400);
    const page = location(await browser.visit(authorizeUrl(provider)), provider.issuer);
    expect((await browser.visit(page, { sub: "nobody" })).status).toBe(400);
  });

  test.each([
    ["no client_id", { client_id: undefined }],
    ["an unknown client_id", { client_id: "stranger" }],
    ["no redirect_uri", { redirect_uri: undefined }],
    ["an unregistered redirect_uri", { redirect_uri: "http://127.0.0.1:3001/callback" }],
    ["no response_type", { response_type: undefined }],
    ["another response_type", { response_type: "token" }],
  ])("%s leads to an error page, and not redirect to the application", async (_case, params) => {
    const provider = await start();
    const response = await new Browser().visit(authorizeUrl(provider, params));
    expect(response.status).toBe(400);
    expect(response.headers.get("location")).toBeNull();
    expect(response.headers.get("content-type")).toContain("text/html");
    expect(await response.text()).toContain("test provider");
  });

  test.each([
    ["plain", { code_challenge: "c".repeat(43), code_challenge_method: "plain" }],
    ["omitted", { code_challenge: "c".repeat(43) }],
  ])(
    "a code_challenge_method that is %s leads to invalid_request at the application",
    async (_case, params) => {
      const provider = await start();
      const response = await new Browser().visit(authorizeUrl(provider, { ...params, state: "s" }));
      expect(response.status).toBe(302);
      expect(Object.fromEntries(location(response).searchParams)).toEqual({
        error: "invalid_request",
        error_description: "OAuth 2.0 Parameter: code_challenge_method",
        error_uri: expect.stringMatching(/^https:/),
        state: "s",
      });
    },
  );
});

describe("a successful token response", () => {
  test("has the documented members only", async () => {
    const provider = await start();
    const response = await exchange(provider, await newCode(provider));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json;charset=UTF-8");
    expect(response.headers.get("cache-control")).toContain("no-store");
    expect(await response.json()).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: "Bearer",
      expires_in: 300,
      scope: "openid",
      refresh_token: expect.stringMatching(/^[\w-]{128}$/),
      id_token: expect.any(String),
    });
  });

  test("contains an access token with the documented header and claims", async () => {
    const provider = await start({ accessTokenSeconds: 60 });
    const { access_token, expires_in } = await newTokens(provider);
    const { payload, protectedHeader } = await jwtVerify(access_token, await keySet(provider));
    expect(protectedHeader).toEqual({ kid: expect.any(String), typ: "JWT", alg: "RS256" });
    expect(payload).toEqual({
      sub: USER,
      aud: "demo-app",
      nbf: payload.iat,
      scope: ["openid"],
      iss: provider.issuer,
      exp: Number(payload.iat) + 60,
      iat: expect.any(Number),
      jti: expect.any(String),
    });
    expect(expires_in).toBe(60);
  });

  test("contains an ID token with the documented claims, which is valid for 30 minutes", async () => {
    const provider = await start();
    const { payload } = await jwtVerify((await newTokens(provider)).id_token, await keySet(provider));
    expect(payload).toEqual({
      sub: USER,
      aud: "demo-app",
      azp: "demo-app",
      iss: provider.issuer,
      exp: Number(payload.iat) + 1_800,
      iat: expect.any(Number),
      jti: expect.any(String),
    });
  });

  test("contains the nonce at a login, but not at a refresh and not with echoNonce: false", async () => {
    const provider = await start();
    const { id_token, refresh_token } = await newTokens(provider, { nonce: "n-1" });
    expect(decodeJwt(id_token)["nonce"]).toBe("n-1");
    const refreshed = await tokensOf(refresh(provider, refresh_token));
    expect(decodeJwt(refreshed.id_token)).not.toHaveProperty("nonce");
    const silent = await start({ echoNonce: false });
    expect(decodeJwt((await newTokens(silent, { nonce: "n-1" })).id_token)).not.toHaveProperty("nonce");
  });

  test.each(["client_secret_post", "client_secret_basic"] as const)(
    "is sent for a secret in the form and for one in the header if the client is registered as %s",
    async (clientAuth) => {
      const provider = await start({ clientAuth });
      expect((await exchange(provider, await newCode(provider))).status).toBe(200);
      const basic = `Basic ${Buffer.from("demo-app:demo-secret").toString("base64")}`;
      const form = {
        grant_type: "authorization_code",
        code: await newCode(provider),
        redirect_uri: CALLBACK,
      };
      expect((await post(provider, "/oauth2/token", form, { authorization: basic })).status).toBe(200);
    },
  );

  test("is sent for a secret together with a code verifier", async () => {
    const provider = await start();
    const { code_verifier, challenge } = pkce();
    const response = await exchange(provider, await newCode(provider, challenge), { code_verifier });
    expect(await response.json()).toHaveProperty("refresh_token");
  });

  test("contains no refresh token for a client without a secret", async () => {
    const provider = await start({ clientSecret: undefined });
    const { code_verifier, challenge } = pkce();
    const code = await newCode(provider, challenge);
    const response = await post(provider, "/oauth2/token", {
      client_id: "demo-app",
      grant_type: "authorization_code",
      code,
      redirect_uri: CALLBACK,
      code_verifier,
    });
    expect(response.status).toBe(200);
    expect(await response.json()).not.toHaveProperty("refresh_token");
  });
});

describe("an error response of the token endpoint", () => {
  const UNSUPPORTED = {
    error: "unsupported_grant_type",
    error_description: "OAuth 2.0 Parameter: grant_type",
    error_uri: "https://datatracker.ietf.org/doc/html/rfc6749#section-5.2",
  };

  test.each([
    ["client_id is unknown", { client_id: "stranger" }, 401, ""],
    ["client_id is missing", { client_id: "", client_secret: "" }, 401, ""],
    ["the secret is wrong", { client_secret: "wrong" }, 401, { error: "invalid_client" }],
    ["the secret is missing", { client_secret: "" }, 401, { error: "invalid_client" }],
    ["the code was issued to another client", OTHER_CREDENTIALS, 401, { error: "invalid_client" }],
    ["grant_type is wrong", { grant_type: "password" }, 400, UNSUPPORTED],
    ["grant_type is missing", { grant_type: "" }, 400, { ...UNSUPPORTED, error: "invalid_request" }],
    ["the code is wrong", { code: "wrong" }, 400, { error: "invalid_grant" }],
    ["redirect_uri differs", { redirect_uri: LOGGED_OUT }, 400, { error: "invalid_grant" }],
    ["redirect_uri is missing", { redirect_uri: "" }, 400, { error: "invalid_grant" }],
    [
      "there is a code verifier without a challenge",
      { code_verifier: "v".repeat(43) },
      401,
      { error: "invalid_client" },
    ],
    [
      "the code is missing",
      { code: "" },
      400,
      { ...UNSUPPORTED, error: "invalid_request", error_description: "OAuth 2.0 Parameter: code" },
    ],
  ])("is sent if %s", async (_case, form, status, body) => {
    const provider = await start({ moreClients: [OTHER] });
    const response = await exchange(provider, await newCode(provider), form as Record<string, string>);
    expect(response.status).toBe(status);
    expect(response.headers.has("www-authenticate")).toBe(false);
    const sent = await response.text();
    expect(sent && JSON.parse(sent)).toEqual(body);
    expect(response.headers.get("content-type")).toBe(sent ? "application/json;charset=UTF-8" : null);
  });

  test.each([
    ["wrong", { code_verifier: "w".repeat(43) }],
    ["malformed", { code_verifier: "short" }],
    ["missing", {}],
  ])("is sent if code_verifier is %s", async (_case, form) => {
    const provider = await start();
    const response = await exchange(
      provider,
      await newCode(provider, pkce().challenge),
      form as Record<string, string>,
    );
    expect([response.status, await response.json()]).toEqual([401, { error: "invalid_client" }]);
  });

  test("is sent if the credentials in the header are wrong", async () => {
    const provider = await start();
    for (const [credentials, body] of [
      ["stranger:demo-secret", ""],
      ["demo-app:wrong", '{"error":"invalid_client"}'],
    ] as const) {
      const authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
      const form = { grant_type: "authorization_code", code: "any", redirect_uri: CALLBACK };
      const response = await post(provider, "/oauth2/token", form, { authorization });
      expect([response.status, await response.text(), response.headers.get("www-authenticate")]).toEqual([
        401,
        body,
        null,
      ]);
    }
  });

  test("is sent if the code has expired", async () => {
    const provider = await start();
    const code = await newCode(provider);
    advanceDate(301_000);
    const response = await exchange(provider, code);
    expect([response.status, await response.json()]).toEqual([400, { error: "invalid_grant" }]);
  });

  test("is sent if a code is used twice, and the tokens of the first use are revoked", async () => {
    const provider = await start();
    const code = await newCode(provider);
    const { access_token, refresh_token } = await tokensOf(exchange(provider, code));
    expect((await userInfo(provider, access_token)).status).toBe(200);

    const second = await exchange(provider, code);
    expect([second.status, await second.json()]).toEqual([400, { error: "invalid_grant" }]);
    expect((await userInfo(provider, access_token)).status).toBe(401);
    expect((await refresh(provider, refresh_token)).status).toBe(400);
  });

  test("is sent for one of two uses of a code at the same moment", async () => {
    const provider = await start();
    const code = await newCode(provider);
    const responses = await Promise.all([exchange(provider, code), exchange(provider, code)]);
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 400]);
  });
});

describe("a refresh", () => {
  test("returns new tokens, and a second use of the old refresh token revokes the login", async () => {
    const provider = await start();
    const first = await newTokens(provider);
    const second = await tokensOf(refresh(provider, first.refresh_token));
    expect(second.refresh_token).toMatch(/^[\w-]{128}$/);
    expect(second.refresh_token).not.toBe(first.refresh_token);
    expect(second.access_token).not.toBe(first.access_token);
    expect((await userInfo(provider, second.access_token)).status).toBe(200);

    const reused = await refresh(provider, first.refresh_token);
    expect([reused.status, await reused.json()]).toEqual([400, { error: "invalid_grant" }]);
    expect((await refresh(provider, second.refresh_token)).status).toBe(400);
    expect((await userInfo(provider, second.access_token)).status).toBe(401);
  });

  test("succeeds once if three requests use one refresh token at the same moment", async () => {
    const provider = await start();
    const { refresh_token } = await newTokens(provider);
    const responses = await Promise.all([1, 2, 3].map(() => refresh(provider, refresh_token)));
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 400, 400]);
  });

  test("returns the same refresh token each time without rotation", async () => {
    const provider = await start({ rotateRefreshTokens: false });
    const { refresh_token } = await newTokens(provider);
    expect((await tokensOf(refresh(provider, refresh_token))).refresh_token).toBe(refresh_token);
    expect((await tokensOf(refresh(provider, refresh_token))).refresh_token).toBe(refresh_token);
  });

  test("is rejected for another client, and for an unknown or expired refresh token", async () => {
    const provider = await start({ moreClients: [OTHER] });
    const { refresh_token } = await newTokens(provider);
    const other = await refresh(provider, refresh_token, OTHER_CREDENTIALS);
    expect([other.status, await other.json()]).toEqual([401, { error: "invalid_client" }]);
    expect((await refresh(provider, "unknown")).status).toBe(400);
    advanceDate(86_401_000);
    const late = await refresh(provider, refresh_token);
    expect([late.status, await late.json()]).toEqual([400, { error: "invalid_grant" }]);
  });

  test("of one login still works after another login of the same user was revoked", async () => {
    const provider = await start();
    const browser = new Browser();
    const one = await tokensOf(exchange(provider, await newCode(provider, {}, browser)));
    const two = await tokensOf(exchange(provider, await newCode(provider, {}, browser)));
    await post(provider, "/oauth2/revoke", { ...CREDENTIALS, token: one.refresh_token });
    expect((await refresh(provider, one.refresh_token)).status).toBe(400);
    expect((await refresh(provider, two.refresh_token)).status).toBe(200);
  });
});

describe("the UserInfo endpoint", () => {
  test("returns all claims of the user", async () => {
    const provider = await start();
    const response = await userInfo(provider, (await newTokens(provider)).access_token);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toEqual(DEMO_USERS.find(({ sub }) => sub === USER));
  });

  const bare = async (response: Response) => [response.status, await response.text()];

  test("sends 400 with an empty body if there is no token", async () => {
    const response = await userInfo(await start());
    expect(await bare(response)).toEqual([400, ""]);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer error="invalid_request", /);
  });

  test.each(["invalid", "expired", "revoked", "an ID token", "a refresh token"])(
    "sends 401 with an empty body for a token that is %s",
    async (kind) => {
      const provider = await start();
      const tokens = await newTokens(provider);
      if (kind === "revoked")
        await post(provider, "/oauth2/revoke", { ...CREDENTIALS, token: tokens.access_token });
      if (kind === "expired") advanceDate(301_000);
      const others: Record<string, string> = {
        invalid: `${tokens.access_token}x`,
        "an ID token": tokens.id_token,
        "a refresh token": tokens.refresh_token,
      };
      const response = await userInfo(provider, others[kind] ?? tokens.access_token);
      expect(await bare(response)).toEqual([401, ""]);
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer error="invalid_token", /);
    },
  );

  test("sends 403 with an empty body for a token without the scope openid", async () => {
    const provider = await start();
    const { access_token, id_token } = await newTokens(provider, { scope: "profile" });
    expect(id_token).toBeUndefined();
    const response = await userInfo(provider, access_token);
    expect(await bare(response)).toEqual([403, ""]);
    expect(response.headers.get("www-authenticate")).toMatch(/^Bearer error="insufficient_scope", /);
  });

  test("sends 404 for a deleted user, whose tokens cannot be refreshed either", async () => {
    const provider = await start();
    const { access_token, refresh_token } = await newTokens(provider);
    provider.removeUser(USER);
    expect(await bare(await userInfo(provider, access_token))).toEqual([404, '{"error":"user_not_found"}']);
    expect((await refresh(provider, refresh_token)).status).toBe(400);
  });
});

describe("a revocation", () => {
  test("of a refresh token gets an empty response, and revokes the access token too", async () => {
    const provider = await start();
    const { access_token, refresh_token } = await newTokens(provider);
    const response = await post(provider, "/oauth2/revoke", { ...CREDENTIALS, token: refresh_token });
    expect([response.status, await response.text()]).toEqual([200, ""]);
    expect((await refresh(provider, refresh_token)).status).toBe(400);
    expect((await userInfo(provider, access_token)).status).toBe(401);
  });

  test("of an access token does not revoke the refresh token", async () => {
    const provider = await start();
    const { access_token, refresh_token } = await newTokens(provider);
    await post(provider, "/oauth2/revoke", { ...CREDENTIALS, token: access_token });
    expect((await userInfo(provider, access_token)).status).toBe(401);
    expect((await refresh(provider, refresh_token)).status).toBe(200);
  });

  test.each(["unknown", "un.kno.wn"])("of an unknown token (%s) succeeds", async (token) => {
    const response = await post(await start(), "/oauth2/revoke", { ...CREDENTIALS, token });
    expect([response.status, await response.text()]).toEqual([200, ""]);
  });

  test("is rejected for another client, for a wrong secret and for an unknown client", async () => {
    const provider = await start({ moreClients: [OTHER] });
    const { access_token, refresh_token } = await newTokens(provider);
    for (const [credentials, body] of [
      [OTHER_CREDENTIALS, '{"error":"invalid_client"}'],
      [{ ...CREDENTIALS, client_secret: "wrong" }, '{"error":"invalid_client"}'],
      [{ client_id: "stranger" }, ""],
    ] as const) {
      for (const token of [refresh_token, access_token]) {
        const response = await post(provider, "/oauth2/revoke", { ...credentials, token });
        expect([response.status, await response.text()]).toEqual([401, body]);
      }
    }
    expect((await userInfo(provider, access_token)).status).toBe(200);
  });
});

describe("a logout", () => {
  const logout = (provider: LocalProvider, params: Record<string, string>) =>
    new Browser().visit(`${provider.issuer}/logout?${new URLSearchParams(params)}`);

  test("leads to the registered URL, with the state", async () => {
    const response = await logout(await start(), {
      client_id: "demo-app",
      logout_redirect_uri: LOGGED_OUT,
      state: "s t",
    });
    expect(response.status).toBe(302);
    expect(location(response).href).toBe(`${LOGGED_OUT}?state=s+t`);
  });

  test("needs no logout_redirect_uri if one URL is registered", async () => {
    const response = await logout(await start(), { client_id: "demo-app" });
    expect([response.status, response.headers.get("location")]).toEqual([302, LOGGED_OUT]);
    const two = await start({ logoutRedirectUris: [LOGGED_OUT, `${LOGGED_OUT}bye`] });
    expect((await logout(two, { client_id: "demo-app" })).status).toBe(400);
    expect((await logout(await start({ logoutRedirectUris: [] }), { client_id: "demo-app" })).status).toBe(
      400,
    );
  });

  test.each([
    ["a missing client_id", { logout_redirect_uri: LOGGED_OUT }],
    ["an unknown client_id", { client_id: "stranger", logout_redirect_uri: LOGGED_OUT }],
    ["an unregistered URL", { client_id: "demo-app", logout_redirect_uri: `${LOGGED_OUT}elsewhere` }],
  ])("with %s gets 400 with a description, and the session does not end", async (_case, params) => {
    const provider = await start();
    const browser = new Browser();
    await browser.login(provider);
    const response = await browser.visit(
      `${provider.issuer}/logout?${new URLSearchParams(params as Record<string, string>)}`,
    );
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toContain("application/json");
    expect(await response.json()).toMatchObject({ error_description: expect.any(String) });
    expect(location(await browser.visit(authorizeUrl(provider))).searchParams.has("code")).toBe(true);
  });

  test("does not revoke the tokens", async () => {
    const provider = await start();
    const browser = new Browser();
    const { access_token, refresh_token } = await tokensOf(
      exchange(provider, await newCode(provider, {}, browser)),
    );
    await browser.visit(`${provider.issuer}/logout?client_id=demo-app`);
    expect((await userInfo(provider, access_token)).status).toBe(200);
    expect((await refresh(provider, refresh_token)).status).toBe(200);
  });
});

describe("a requested fault", () => {
  test("answerNext() replaces responses, and its responder can read the request", async () => {
    const provider = await start();
    const bodies: string[] = [];
    provider.answerNext(
      "/oauth2/token",
      async (req, res) => {
        for await (const chunk of req) bodies.push(String(chunk));
        res.writeHead(503, { "Retry-After": "1" }).end("later");
      },
      2,
    );
    provider.answerNext("/oauth2/token", (req) => void req.socket.destroy());
    const code = await newCode(provider);
    expect((await exchange(provider, code)).status).toBe(503);
    expect((await exchange(provider, code)).status).toBe(503);
    await expect(exchange(provider, code)).rejects.toThrow();
    expect((await exchange(provider, code)).status).toBe(200);
    expect(bodies).toHaveLength(2);
    expect(bodies[0]).toContain(`code=${code}`);
  });

  test("nextIdToken() changes the claims and the header of one ID token", async () => {
    const provider = await start();
    provider.nextIdToken({
      claims: { aud: "another", azp: undefined },
      header: { kid: "unknown", alg: "HS256" },
    });
    const { id_token } = await newTokens(provider);
    expect(decodeJwt(id_token)).toMatchObject({ aud: "another", sub: USER });
    expect(decodeJwt(id_token)).not.toHaveProperty("azp");
    expect(decodeProtectedHeader(id_token)).toEqual({ kid: "unknown", alg: "HS256" });
    const unchanged = await newTokens(provider);
    await expect(
      jwtVerify(unchanged.id_token, await keySet(provider), { audience: "demo-app" }),
    ).resolves.toBeDefined();
  });

  test("signedBy selects the provider's key, an unknown key, or no signature", async () => {
    const provider = await start();
    const set = await keySet(provider);
    provider.nextIdToken({ claims: { aud: "another" } });
    await expect(jwtVerify((await newTokens(provider)).id_token, set)).resolves.toBeDefined();
    provider.nextIdToken({ signedBy: "stranger" });
    await expect(jwtVerify((await newTokens(provider)).id_token, set)).rejects.toThrow(
      "signature verification failed",
    );
    provider.nextIdToken({ signedBy: "nobody" });
    const { id_token } = await newTokens(provider);
    expect(decodeProtectedHeader(id_token).alg).toBe("none");
    expect(id_token.endsWith(".")).toBe(true);
  });

  test("nextTokenResponse() changes the members of the next successful token response", async () => {
    const provider = await start();
    provider.nextTokenResponse({ refresh_token: undefined, token_type: "MAC", expires_in: "300" });
    await exchange(provider, "wrong"); // An error response is not changed.
    const changed = await newTokens(provider);
    expect(changed).toMatchObject({ token_type: "MAC", expires_in: "300" });
    expect(changed).not.toHaveProperty("refresh_token");
    expect(await newTokens(provider)).toMatchObject({ token_type: "Bearer", expires_in: 300 });
  });

  test("writeNextTokenResponse() replaces body and headers of the next token response", async () => {
    const provider = await start();
    provider.writeNextTokenResponse((json) => ({
      body: json.toUpperCase(),
      headers: { "content-type": "text/plain" },
    }));
    const response = await exchange(provider, await newCode(provider));
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/plain"]);
    expect(await response.text()).toContain('"TOKEN_TYPE":"BEARER"');
  });

  test("forge returns a whole ID token, which the provider can sign", async () => {
    const provider = await start();
    provider.nextIdToken({
      claims: { aud: "another" },
      forge(claims, sign) {
        const text = [{ alg: "RS256" }, { ...claims, forged: true }].map(encoded).join(".");
        return `${text}.${sign(text)}`;
      },
    });
    const { payload } = await jwtVerify((await newTokens(provider)).id_token, await keySet(provider));
    expect(payload).toMatchObject({ aud: "another", forged: true });
  });

  test("setClock() changes the times in tokens, and clearFaults() removes all faults", async () => {
    const provider = await start();
    const now = Math.floor(Date.now() / 1000);
    provider.setClock(5000);
    expect(decodeJwt((await newTokens(provider)).id_token).iat).toBeGreaterThan(now + 4000);
    provider.answerNext("/oauth2/jwks", (_req, res) => void res.writeHead(500).end());
    provider.nextTokenResponse({ token_type: "MAC" });
    provider.nextIdToken({ claims: { aud: "another" } });
    provider.writeNextTokenResponse(() => ({ body: "nothing", headers: {} }));
    provider.alterKeys(() => ({ keys: [] }));
    provider.alterDiscovery(() => ({}));
    provider.clearFaults();
    const tokens = await newTokens(provider);
    expect(tokens.token_type).toBe("Bearer");
    const { payload } = await jwtVerify(tokens.id_token, await keySet(provider));
    expect(payload).toMatchObject({ aud: "demo-app", iat: expect.closeTo(now, -2) });
    const discovered = await fetch(`${provider.issuer}/.well-known/openid-configuration`);
    expect(await discovered.json()).toMatchObject({ issuer: provider.issuer });
  });

  test("issued lists all tokens", async () => {
    const provider = await start();
    const { access_token, refresh_token, id_token } = await newTokens(provider);
    expect(provider.issued).toEqual([access_token, id_token, refresh_token]);
  });

  test("signJwt() signs any claims", async () => {
    const provider = await start();
    const { payload, protectedHeader } = await jwtVerify(
      provider.signJwt({ sub: USER, events: {} }, { typ: "logout+jwt" }),
      await keySet(provider),
    );
    expect(payload).toEqual({ sub: USER, events: {} });
    expect(protectedHeader.typ).toBe("logout+jwt");
  });

  test("goDown() closes and refuses connections, and comeUp() keeps all tokens", async () => {
    const provider = await start();
    const { refresh_token } = await newTokens(provider);
    provider.answerNext("/slow", () => provider.goDown());
    await expect(fetch(`${provider.issuer}/slow`)).rejects.toThrow();
    const refused = await fetch(provider.issuer).catch((error: Error) => error.cause);
    expect(refused).toMatchObject({ code: "ECONNREFUSED" });
    await provider.comeUp();
    await provider.comeUp();
    expect((await refresh(provider, refresh_token)).status).toBe(200);
  });

  test("a port in use leads to EADDRINUSE", async () => {
    const { issuer } = await start();
    const port = Number(new URL(issuer).port);
    await expect(startLocalProvider({ ...CLIENT, port })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  test("clients with the same ID are rejected, and the port is free again", async () => {
    const { issuer } = await start();
    await providers.pop()?.close();
    const port = Number(new URL(issuer).port);
    await expect(startLocalProvider({ ...CLIENT, port, moreClients: [CLIENT] })).rejects.toThrow();
    await expect(start({ port })).resolves.toMatchObject({ issuer });
  });

  test("close() frees the port, and can be called twice", async () => {
    const provider = await startLocalProvider(CLIENT);
    await newTokens(provider);
    await provider.close();
    await provider.close();
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(Number(new URL(provider.issuer).port), "127.0.0.1", resolve);
    });
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("requests", () => {
  test("are recorded with method, path, URL, headers and body", async () => {
    const provider = await start();
    await post(provider, "/oauth2/token?x=1", { grant_type: "nonsense" }, { "x-mark": "yes" });
    await fetch(`${provider.issuer}/nowhere`);
    expect(provider.requests).toMatchObject([
      {
        method: "POST",
        path: "/oauth2/token",
        url: "/oauth2/token?x=1",
        headers: { "x-mark": "yes" },
        body: "grant_type=nonsense",
      },
      { method: "GET", path: "/nowhere", url: "/nowhere", body: "" },
    ]);
  });

  test("get 404 at an unknown path, and 413 if they are too large", async () => {
    const provider = await start();
    expect((await fetch(`${provider.issuer}/nowhere`)).status).toBe(404);
    expect((await post(provider, "/oauth2/token", { code: "x".repeat(5_000_000) })).status).toBe(413);
  });
});

describe('a provider with document: "full"', () => {
  const full = (options: Partial<LocalProviderOptions> = {}) => start({ document: "full", ...options });

  test("lists all endpoints in the discovery document, and its keys have alg and use", async () => {
    const provider = await full();
    const { issuer } = provider;
    expect(await getJson(provider, DISCOVERY)).toMatchObject({
      issuer,
      userinfo_endpoint: `${issuer}/userinfo`,
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      end_session_endpoint: `${issuer}/logout`,
      code_challenge_methods_supported: ["S256"],
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ["RS256"],
      response_types_supported: ["code"],
    });
    expect(await getJson(provider, "/oauth2/jwks")).toMatchObject({ keys: [{ alg: "RS256", use: "sig" }] });
  });

  test("sends iss in successful authorization responses and in error responses", async () => {
    const provider = await full();
    const browser = new Browser();
    const page = location(await browser.visit(authorizeUrl(provider)), provider.issuer);
    expect((await browser.submit(page, { deny: "yes" })).searchParams.get("iss")).toBe(provider.issuer);
    expect((await browser.login(provider)).searchParams.get("iss")).toBe(provider.issuer);
  });

  test("supports response_mode=form_post", async () => {
    const provider = await full();
    const browser = new Browser();
    await browser.login(provider);
    const page = await browser.visit(authorizeUrl(provider, { response_mode: "form_post", state: "s" }));
    expect(page.status).toBe(200);
    expect(await page.text()).toContain(`<form method="post" action="${CALLBACK}">`);
  });

  test("adds at_hash, auth_time and sid to the ID token, also at a refresh", async () => {
    const provider = await full();
    const { id_token, access_token, refresh_token } = await newTokens(provider, { nonce: "n" });
    const half = createHash("sha256").update(access_token).digest().subarray(0, 16).toString("base64url");
    const claims = decodeJwt(id_token);
    expect(claims).toMatchObject({
      at_hash: half,
      auth_time: expect.any(Number),
      sid: expect.any(String),
      nonce: "n",
    });
    const refreshed = decodeJwt((await tokensOf(refresh(provider, refresh_token))).id_token);
    expect(refreshed).toMatchObject({ auth_time: claims["auth_time"], sid: claims["sid"] });
    expect(refreshed["at_hash"]).not.toBe(half);
  });

  test("describes errors", async () => {
    const provider = await full();
    const unknown = await exchange(provider, "any", { client_id: "stranger" });
    expect([unknown.status, await unknown.json()]).toMatchObject([401, { error: "invalid_client" }]);
    const wrong = await exchange(provider, "wrong");
    expect([wrong.status, await wrong.json()]).toMatchObject([
      400,
      { error: "invalid_grant", error_description: expect.any(String) },
    ]);
    expect((await userInfo(provider, "wrong")).headers.get("www-authenticate")).toContain("invalid_token");
  });

  test("accepts the newest ID token as a logout hint, also if it has expired, but no older one", async () => {
    const provider = await full();
    const browser = new Browser();
    const first = await tokensOf(exchange(provider, await newCode(provider, {}, browser)));
    const second = await tokensOf(refresh(provider, first.refresh_token));
    const query = { post_logout_redirect_uri: LOGGED_OUT, state: "s" };
    const url = (id_token_hint: string) =>
      `${provider.issuer}/logout?${new URLSearchParams({ ...query, id_token_hint })}`;
    expect((await browser.visit(url(first.id_token))).status).toBe(400);
    expect((await browser.visit(url("nonsense"))).status).toBe(400);
    advanceDate(3_600_000);
    const response = await browser.visit(url(second.id_token));
    expect([response.status, response.headers.get("location")]).toEqual([302, `${LOGGED_OUT}?state=s`]);
    expect(location(await browser.visit(authorizeUrl(provider)), provider.issuer).pathname).toBe(
      "/portal/login",
    );
  });

  test("accepts a logout with client_id only, and redirects to registered URLs only", async () => {
    const provider = await full();
    const visit = (query: string) => new Browser().visit(`${provider.issuer}/logout?${query}`);
    expect((await visit(`client_id=demo-app&post_logout_redirect_uri=${LOGGED_OUT}`)).status).toBe(302);
    expect((await visit(`client_id=demo-app&post_logout_redirect_uri=${LOGGED_OUT}evil`)).status).toBe(400);
    expect((await visit(`post_logout_redirect_uri=${LOGGED_OUT}`)).status).toBe(400);
    expect((await visit("client_id=stranger")).status).toBe(400);
    const page = await visit("");
    expect([page.status, await page.text()]).toEqual([200, expect.stringContaining("signed out")]);
  });
});

test("no test has printed anything on the console", () => {
  for (const spy of printed) expect(spy.mock.calls).toEqual([]);
});
