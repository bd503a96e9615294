import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import session from "express-session";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createStore } from "../../lib/create-store.js";
import { PortalAuthError } from "../../lib/errors/portal-auth-error.js";
import { OptionsSchema, VARIABLES } from "../../lib/settings/option-table.js";
import type { PortalAuthOptions } from "../../lib/settings/portal-auth-options.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { findVariableTypos } from "../../lib/settings/variable-typos.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { createMinimalRecords } from "../support/minimal-records.js";

const SECRET = "0123456789abcdef0123456789abcdef";
const ENV = {
  PORTAL_ISSUER: "https://sample.portal.tencentciam.com",
  PORTAL_CLIENT_ID: "env-client",
  PORTAL_CLIENT_SECRET: "env-secret",
  PORTAL_REDIRECT_URI: "https://app.example/callback",
  SESSION_SECRET: SECRET,
};

const without = (...names: string[]) =>
  Object.fromEntries(Object.entries(ENV).filter(([name]) => !names.includes(name)));

function problems(options: object, env: Record<string, string> = ENV): string {
  try {
    resolveSettings(options as PortalAuthOptions, env);
  } catch (error) {
    expect(error).toBeInstanceOf(PortalAuthError);
    expect((error as PortalAuthError).code).toBe("options_invalid");
    return (error as PortalAuthError).message;
  }
  return "";
}

describe("resolveSettings", () => {
  test("reads all options from the environment, and fills in defaults", () => {
    expect(resolveSettings({}, ENV)).toMatchObject({
      issuer: "https://sample.portal.tencentciam.com",
      clientId: "env-client",
      clientSecret: "env-secret",
      clientAuth: "client_secret_post",
      redirectUri: "https://app.example/callback",
      scope: "openid",
      authorizationParams: {},
      nonce: "optional",
      postLogoutRedirectUri: undefined,
      httpTimeout: 10,
      clockTolerance: 30,
      refreshLeeway: 30,
      apiOrigins: [],
      store: undefined,
      tokenEncryptionKeys: [],
      routes: {
        login: "/login",
        callback: "/callback",
        logout: "/logout",
        session: false,
        form: "/login/form",
      },
      secrets: [SECRET],
      sessionIdle: 86_400,
      sessionAbsolute: 604_800,
      keepSessionKeys: [],
      sessionClaims: [],
      https: true,
    });
  });

  test("prefers an option in code to its variable", () => {
    expect(resolveSettings({ clientId: "code-client", clientSecret: "its-secret" }, ENV).clientId).toBe(
      "code-client",
    );
    expect(resolveSettings({ httpTimeout: 3 }, { ...ENV, PORTAL_HTTP_TIMEOUT: "7" }).httpTimeout).toBe(3);
  });

  test.each<[keyof typeof VARIABLES, string, unknown]>([
    ["profile", "openid", undefined],
    ["scope", "openid email", "openid email"],
    ["nonce", "required", "required"],
    ["clientAuth", "client_secret_basic", "client_secret_basic"],
    ["authorizationParams", "wechat", { auth_source_id: "wechat" }],
    ["userinfoUrl", "https://p.example/me", "https://p.example/me"],
    ["revocationUrl", "https://p.example/revoke", "https://p.example/revoke"],
    ["logoutUrl", "https://p.example/bye", "https://p.example/bye"],
    ["postLogoutRedirectUri", "https://app.example/bye", "https://app.example/bye"],
    ["tlsTerminated", "on", true],
    ["httpTimeout", "2.5", 2.5],
    ["clockTolerance", "0", 0],
    ["refreshLeeway", "0", 0],
    ["refreshLeeway", "90.5", 90.5],
    ["apiOrigins", "https://api.example", ["https://api.example"]],
    ["store", "redis://127.0.0.1:6379", "redis://127.0.0.1:6379"],
    ["discoveryUrl", "https://a.example/document", "https://a.example/document"],
    ["internalUrl", "http://keycloak:8080/auth/", "http://keycloak:8080/auth"],
    ["allowedTenants", "*", "*"],
    [
      "allowedTenants",
      "9D1F3C6A-5b7e-4f4c-8a21-0c7d5e6f7a8b, 11111111-2222-4333-8444-555555555555",
      ["9d1f3c6a-5b7e-4f4c-8a21-0c7d5e6f7a8b", "11111111-2222-4333-8444-555555555555"],
    ],
    ["idTokenAlg", "ES384", "ES384"],
    ["authorizationUrl", "https://a.example/authorize", "https://a.example/authorize"],
    ["tokenUrl", "https://a.example/token", "https://a.example/token"],
    ["jwksUrl", "https://a.example/keys", "https://a.example/keys"],
    ["sessionIdle", "60", 60],
    ["sessionAbsolute", "120", 120],
  ])("reads %s from its variable", (option, value, settled) => {
    const settings = resolveSettings({}, { ...ENV, [VARIABLES[option]]: value }) as unknown as Record<
      string,
      unknown
    >;
    if (option === "profile") expect(settings["nonce"]).toBe("required");
    else expect(settings[option]).toEqual(settled);
  });

  test.each([
    ["PORTAL_ALLOWED_TENANTS", "common"],
    ["PORTAL_ALLOWED_TENANTS", "*,9d1f3c6a-5b7e-4f4c-8a21-0c7d5e6f7a8b"],
    ["PORTAL_ALLOWED_TENANTS", "9d1f3c6a-5b7e-4f4c-8a21-0c7d5e6f7a8b/x"],
    ["PORTAL_INTERNAL_URL", "http://id.example"],
    ["PORTAL_TOKEN_URL", "http://keycloak:8080/token"],
    ["PORTAL_ID_TOKEN_ALG", "none"],
  ])("rejects %s=%s", (variable, value) => {
    expect(problems({}, { ...ENV, [variable]: value })).toContain(`${variable} (option `);
  });

  test("treats an empty variable as unset", () => {
    expect(resolveSettings({}, { ...ENV, PORTAL_SCOPE: "" }).scope).toBe("openid");
    expect(problems({}, { ...ENV, PORTAL_CLIENT_ID: "" })).toContain(
      "PORTAL_CLIENT_ID (option clientId) is missing",
    );
  });

  test("selects the profile by the issuer's host, or by the option for a tenant's own domain", () => {
    const at = (issuer: string) => ({ ...ENV, PORTAL_ISSUER: issuer });
    expect(resolveSettings({}, ENV).nonce).toBe("optional");
    expect(resolveSettings({}, at("https://login.example")).nonce).toBe("required");
    expect(resolveSettings({}, at("https://eviltencentciam.com")).nonce).toBe("required");
    expect(resolveSettings({ profile: "tencent-ciam" }, at("https://login.example")).nonce).toBe("optional");
  });

  describe("if code names another provider or client than the environment", () => {
    const OTHER = { issuer: "https://staff.example", clientId: "staff", clientSecret: "its-secret" };
    const SPOKEN = {
      ...ENV,
      PORTAL_PROFILE: "tencent-ciam",
      PORTAL_SCOPE: "openid customers",
      PORTAL_CLIENT_AUTH: "client_secret_basic",
      PORTAL_NONCE: "off",
      PORTAL_AUTH_SOURCE_ID: "wechat",
      PORTAL_USERINFO_URL: "https://customers.example/userinfo",
      PORTAL_REVOCATION_URL: "https://customers.example/revoke",
      PORTAL_LOGOUT_URL: "https://customers.example/bye",
      PORTAL_DISCOVERY_URL: "https://customers.example/document",
      PORTAL_INTERNAL_URL: "http://customers:8080",
      PORTAL_ALLOWED_TENANTS: "*",
      PORTAL_ID_TOKEN_ALG: "ES256",
      PORTAL_AUTHORIZATION_URL: "https://customers.example/authorize",
      PORTAL_TOKEN_URL: "https://customers.example/token",
      PORTAL_JWKS_URL: "https://customers.example/keys",
      PORTAL_HTTP_TIMEOUT: "7",
    };

    test("ignores the variables that describe the other provider", () => {
      const settings = resolveSettings(OTHER, SPOKEN);
      expect(settings).toMatchObject({
        ...OTHER,
        profile: { name: "openid" },
        scope: "openid",
        clientAuth: "client_secret_post",
        nonce: "required",
        authorizationParams: {},
        httpTimeout: 7,
      });
      const { userinfoUrl, revocationUrl, logoutUrl, discoveryUrl, internalUrl, allowedTenants } = settings;
      const { idTokenAlg, authorizationUrl, tokenUrl, jwksUrl } = settings;
      const unread = { userinfoUrl, revocationUrl, logoutUrl, discoveryUrl, internalUrl, allowedTenants };
      const alsoUnread = { idTokenAlg, authorizationUrl, tokenUrl, jwksUrl };
      expect(new Set(Object.values({ ...unread, ...alsoUnread }))).toEqual(new Set([undefined]));
    });

    test("reports a secret or client id that belongs to the other provider", () => {
      const { clientSecret: _, ...lacking } = OTHER;
      expect(problems(lacking)).toContain(
        "- PORTAL_CLIENT_SECRET belongs to PORTAL_ISSUER, but the option issuer",
      );
      expect(problems({ issuer: OTHER.issuer })).toContain("- PORTAL_CLIENT_ID belongs to PORTAL_ISSUER");
    });

    test("reports a secret that belongs to the other client", () => {
      expect(problems({ clientId: "staff" })).toContain("- PORTAL_CLIENT_SECRET belongs to PORTAL_CLIENT_ID");
      expect(resolveSettings({ clientId: "staff", clientAuth: "none" }, ENV).clientSecret).toBeUndefined();
    });

    test("reads the variables if both name the same provider and client, or if only code names them", () => {
      expect(problems({ issuer: `${ENV.PORTAL_ISSUER}/`, clientId: ENV.PORTAL_CLIENT_ID })).toBe("");
      expect(
        problems({ issuer: OTHER.issuer, clientId: "staff" }, without("PORTAL_ISSUER", "PORTAL_CLIENT_ID")),
      ).toBe("");
    });

    test.each(["issuer", "clientId", "clientSecret", "redirectUri"])(
      "reports that %s is undefined in code, and does not read its variable",
      (option) => {
        expect(problems({ [option]: undefined })).toContain(
          `- option ${option} is undefined in code: check where`,
        );
        expect(problems({ [option]: undefined }).split("\n  - ")).toHaveLength(2);
        const variable = VARIABLES[option as "issuer"];
        expect(problems({ [option]: undefined }, without(variable))).toContain(
          `- ${variable} (option ${option}) is miss`,
        );
      },
    );
  });

  test("needs no secret for a public client, and ignores one that is set", () => {
    expect(
      resolveSettings({ clientAuth: "none" }, without("PORTAL_CLIENT_SECRET")).clientSecret,
    ).toBeUndefined();
    expect(resolveSettings({ clientAuth: "none" }, ENV).clientSecret).toBeUndefined();
  });

  test("accepts several session secrets, separated by commas or as a list", () => {
    const a = "a".repeat(32);
    const b = "b".repeat(32);
    expect(resolveSettings({}, { ...ENV, SESSION_SECRET: `${a}, ${b}` }).secrets).toEqual([a, b]);
    expect(resolveSettings({ secret: [a, b] }, ENV).secrets).toEqual([a, b]);
  });

  test("freezes the settings deeply, but not the given options", () => {
    const given = {
      authorizationParams: { prompt: "login" },
      keepSessionKeys: ["cart"],
      routes: { login: "/in" },
    };
    const settings = resolveSettings(given, ENV);
    for (const part of [
      settings,
      settings.routes,
      settings.secrets,
      settings.keepSessionKeys,
      settings.hooks,
    ])
      expect(Object.isFrozen(part)).toBe(true);
    expect(Object.isFrozen(settings.authorizationParams)).toBe(true);
    for (const part of Object.values(given)) expect(Object.isFrozen(part)).toBe(false);
    given.routes.login = "/changed";
    expect(settings.routes).toMatchObject({
      login: "/in",
      callback: "/callback",
      logout: "/logout",
      form: "/in/form",
    });
  });

  test("accepts several keys for tokens at rest, apart from the session secrets", () => {
    const a = "a".repeat(32);
    const b = "b".repeat(32);
    const { tokenEncryptionKeys, secrets } = resolveSettings(
      {},
      { ...ENV, TOKEN_ENCRYPTION_KEY: `${a}, ${b}` },
    );
    expect([tokenEncryptionKeys, secrets]).toEqual([[a, b], [SECRET]]);
    expect(resolveSettings({ tokenEncryptionKey: [b] }, ENV).tokenEncryptionKeys).toEqual([b]);
    expect(resolveSettings({ tokenEncryptionKey: a }, ENV).tokenEncryptionKeys).toEqual([a]);
  });

  test.each<[string, string | string[], string[]]>([
    ["one", "https://api.example", ["https://api.example"]],
    [
      "several, separated by commas",
      "https://a.example, https://b.example",
      ["https://a.example", "https://b.example"],
    ],
    [
      "several in a list",
      ["https://a.example", "https://b.example"],
      ["https://a.example", "https://b.example"],
    ],
    ["with a slash at the end", "https://api.example/", ["https://api.example"]],
    ["with a port", "https://api.example:8443", ["https://api.example:8443"]],
    [
      "over http on loopback",
      "http://127.0.0.1:4000,http://[::1]:1",
      ["http://127.0.0.1:4000", "http://[::1]:1"],
    ],
    ["none", [], []],
  ])("accepts origins of APIs: %s", (_name, given, settled) => {
    expect(resolveSettings({ apiOrigins: given as string[] }, ENV).apiOrigins).toEqual(settled);
    if (typeof given === "string")
      expect(resolveSettings({}, { ...ENV, PORTAL_API_ORIGINS: given }).apiOrigins).toEqual(settled);
  });

  test.each([
    "redis://127.0.0.1",
    "redis://:password@127.0.0.1:6379/2",
    "rediss://user:password@cache.example:6380",
    "postgres://user:password@db.example/app?sslmode=require",
    "postgresql:///app",
  ])("accepts the URL of a store: %s", (address) => {
    expect(resolveSettings({ store: address }, ENV).store).toBe(address);
    expect(resolveSettings({}, { ...ENV, SESSION_STORE_URL: ` ${address} ` }).store).toBe(address);
  });

  test.each(["memory:", ""])("uses the memory of this process for SESSION_STORE_URL=%s", (address) => {
    expect(resolveSettings({}, { ...ENV, SESSION_STORE_URL: address }).store).toBeUndefined();
  });

  test("uses the clock of the app, or Date.now, which it looks up each time", () => {
    const clock = () => 0;
    expect(resolveSettings({ clock }, ENV).clock).toBe(clock);
    const settings = resolveSettings({}, ENV);
    vi.spyOn(Date, "now").mockReturnValue(42);
    expect(settings.clock()).toBe(42);
  });

  test("does not freeze a store of the app", () => {
    for (const store of [createMemoryStore(), createMinimalRecords(), createStore("memory:")]) {
      expect(resolveSettings({ store }, ENV).store).toBe(store);
      expect(Object.isFrozen(store)).toBe(false);
    }
  });
});

describe("resolveSettings rejects", () => {
  const SLASHES = "write two slashes and a host after the scheme";

  test("all problems at once, each with its variable and what to write there", () => {
    const message = problems({}, {});
    for (const name of [
      "PORTAL_ISSUER",
      "PORTAL_CLIENT_ID",
      "PORTAL_CLIENT_SECRET",
      "PORTAL_REDIRECT_URI",
      "SESSION_SECRET",
    ])
      expect(message).toMatch(new RegExp(`- ${name}\\b.* is missing: write `));
    expect(message.split("\n  - ")).toHaveLength(6);
  });

  test.each<[string, object, string]>([
    ["an issuer over http", { issuer: "http://portal.example" }, "PORTAL_ISSUER"],
    ["an issuer that is no URL", { issuer: "portal" }, "PORTAL_ISSUER"],
    ["an issuer with a query", { issuer: "https://portal.example?x" }, "PORTAL_ISSUER"],
    ["an issuer with a password in it", { issuer: "https://me:pass@portal.example" }, "PORTAL_ISSUER"],
    ["a script as issuer", { issuer: "javascript:alert(1)" }, "PORTAL_ISSUER"],
    [
      "an issuer with one slash",
      { issuer: "https:/portal.example" },
      `PORTAL_ISSUER (option issuer): ${SLASHES}`,
    ],
    [
      "an issuer without slashes",
      { issuer: "https:portal.example" },
      `PORTAL_ISSUER (option issuer): ${SLASHES}`,
    ],
    [
      "an issuer with three slashes",
      { issuer: "https:///portal.example" },
      `PORTAL_ISSUER (option issuer): ${SLASHES}`,
    ],
    [
      "an issuer with backslashes",
      { issuer: "https:\\\\portal.example" },
      `PORTAL_ISSUER (option issuer): ${SLASHES}`,
    ],
    ["an issuer with a backslash in it", { issuer: "https://portal.example\\x" }, "PORTAL_ISSUER"],
    ["an issuer with a tab in it", { issuer: "https://portal.exa\tmple" }, "PORTAL_ISSUER"],
    [
      "a callback with one slash",
      { redirectUri: "https:/app.example/callback" },
      `PORTAL_REDIRECT_URI (option redirectUri): ${SLASHES}`,
    ],
    [
      "a userinfo URL with one slash",
      { userinfoUrl: "https:/portal.example/me" },
      `PORTAL_USERINFO_URL (option userinfoUrl): ${SLASHES}`,
    ],
    ["an API with one slash", { apiOrigins: ["https:/api.example"] }, "PORTAL_API_ORIGINS"],
    ["an unknown profile", { profile: "wechat" }, "PORTAL_PROFILE"],
    ["a client id that is a number", { clientId: 7 }, "PORTAL_CLIENT_ID"],
    ["an unknown way to authenticate", { clientAuth: "private_key_jwt" }, "PORTAL_CLIENT_AUTH"],
    ["a redirect URI over http", { redirectUri: "http://app.example/callback" }, "PORTAL_REDIRECT_URI"],
    [
      "a redirect URI with a fragment",
      { redirectUri: "https://app.example/callback#x" },
      "PORTAL_REDIRECT_URI",
    ],
    [
      "a redirect URI with a query",
      { redirectUri: "https://app.example/callback?x=1" },
      "PORTAL_REDIRECT_URI",
    ],
    [
      "a redirect URI that browsers write in another way",
      { redirectUri: "https://App.example:443/callback" },
      "PORTAL_REDIRECT_URI",
    ],
    ["a scope without openid", { scope: "email" }, "PORTAL_SCOPE"],
    ["a scope that only looks like openid", { scope: "openid2" }, "PORTAL_SCOPE"],
    ["an unknown nonce policy", { nonce: "never" }, "PORTAL_NONCE"],
    ["a timeout of 0 s", { httpTimeout: 0 }, "PORTAL_HTTP_TIMEOUT"],
    ["a timeout with a unit", { httpTimeout: "10s" }, "PORTAL_HTTP_TIMEOUT"],
    ["a negative tolerance", { clockTolerance: -1 }, "PORTAL_CLOCK_TOLERANCE"],
    ["a tolerance that is not a number", { clockTolerance: Number.NaN }, "PORTAL_CLOCK_TOLERANCE"],
    ["a negative leeway", { refreshLeeway: -1 }, "PORTAL_REFRESH_LEEWAY"],
    ["a leeway of more than an hour", { refreshLeeway: 3601 }, "PORTAL_REFRESH_LEEWAY"],
    ["a leeway with a unit", { refreshLeeway: "30s" }, "PORTAL_REFRESH_LEEWAY"],
    ["a login timeout of 0 s", { loginTimeout: 29 }, "PORTAL_LOGIN_TIMEOUT"],
    ["a login timeout over one day", { loginTimeout: 86_401 }, "PORTAL_LOGIN_TIMEOUT"],
    [
      "a late callback that leads to another site",
      { lateCallbackPath: "//evil.example" },
      "PORTAL_LATE_CALLBACK_PATH",
    ],
    [
      "a late callback that leads to another site by a backslash",
      { lateCallbackPath: "/\\evil.example" },
      "PORTAL_LATE_CALLBACK_PATH",
    ],
    [
      "a late callback that leads to an absolute URL",
      { lateCallbackPath: "https://app.example/" },
      "PORTAL_LATE_CALLBACK_PATH",
    ],
    ["an API over http", { apiOrigins: ["http://api.example"] }, "PORTAL_API_ORIGINS"],
    ["an API with a path", { apiOrigins: ["https://api.example/v1"] }, "PORTAL_API_ORIGINS"],
    ["an API with a query", { apiOrigins: ["https://api.example?x"] }, "PORTAL_API_ORIGINS"],
    ["an API with a password", { apiOrigins: ["https://me:pass@api.example"] }, "PORTAL_API_ORIGINS"],
    ["an API without a scheme", { apiOrigins: ["api.example"] }, "PORTAL_API_ORIGINS"],
    [
      "an API that browsers write in another way",
      { apiOrigins: ["https://API.example:443"] },
      "PORTAL_API_ORIGINS",
    ],
    ["a * for all APIs", { apiOrigins: ["*"] }, "PORTAL_API_ORIGINS"],
    ["all APIs below a domain", { apiOrigins: ["https://*.example"] }, "PORTAL_API_ORIGINS"],
    ["one invalid API among valid ones", { apiOrigins: "https://api.example,x" }, "PORTAL_API_ORIGINS"],
    ["APIs that are no list", { apiOrigins: 7 }, "PORTAL_API_ORIGINS"],
    ["the URL of an unknown store", { store: "mysql://db.example/app" }, "SESSION_STORE_URL (option store)"],
    ["a store that is no URL", { store: "redis" }, "SESSION_STORE_URL (option store)"],
    ["a store with only a scheme", { store: "redis://" }, "SESSION_STORE_URL (option store)"],
    ["a store with an invalid URL", { store: "redis://:p@[x" }, "SESSION_STORE_URL (option store)"],
    ["the store memory: with a name", { store: "memory:x" }, "SESSION_STORE_URL (option store)"],
    ["lock, which is no option", { lock: () => {} }, "option lock"],
    ["a clock that is no function", { clock: 7 }, "option clock"],
    ["a short key for tokens", { tokenEncryptionKey: "short" }, "TOKEN_ENCRYPTION_KEY"],
    ["one short key among valid ones", { tokenEncryptionKey: `${SECRET},short` }, "TOKEN_ENCRYPTION_KEY"],
    ["no keys in the list", { tokenEncryptionKey: [] }, "TOKEN_ENCRYPTION_KEY"],
    ["a key that is a number", { tokenEncryptionKey: 7 }, "TOKEN_ENCRYPTION_KEY"],
    ["a short session secret", { secret: "short" }, "SESSION_SECRET"],
    ["one short secret among valid ones", { secret: [SECRET, "short"] }, "SESSION_SECRET"],
    ["no secrets in the list", { secret: [] }, "SESSION_SECRET"],
    ["a route without a slash", { routes: { login: "login" } }, "option routes.login"],
    ["a route that does not exist", { routes: { signin: "/x" } }, "option routes.signin"],
    ["a hook that is no function", { hooks: { onLogin: "x" } }, "option hooks.onLogin"],
    ["a hook that does not exist", { hooks: { onLogn: () => {} } }, "option hooks.onLogn"],
    ["a store without methods", { store: {} }, "SESSION_STORE_URL (option store)"],
    ["an option that does not exist", { clientID: "x" }, "option clientID"],
    ["authorization parameters as text", { authorizationParams: "prompt=login" }, "PORTAL_AUTH_SOURCE_ID"],
    ["reserved session keys", { keepSessionKeys: ["cart", "cookie"] }, "option keepSessionKeys"],
    [
      "a redirect URI that does not lead to the callback",
      { redirectUri: "https://app.example/cb" },
      "PORTAL_REDIRECT_URI",
    ],
    [
      "back-channel logout without its route",
      { backchannelLogout: true, routes: { backchannelLogout: false } },
      "PORTAL_BACKCHANNEL_LOGOUT (option backchannelLogout): set routes.backchannelLogout to a path",
    ],
    [
      "front-channel logout without its route",
      { frontchannelLogout: true, routes: { frontchannelLogout: false } },
      "PORTAL_FRONTCHANNEL_LOGOUT",
    ],
    [
      "silent logins without the callback route",
      { silentLogin: true, routes: { callback: false } },
      "PORTAL_SILENT_LOGIN",
    ],
    [
      "logins by third parties without the login route",
      { thirdPartyLogin: true, routes: { login: false } },
      "PORTAL_THIRD_PARTY_LOGIN",
    ],
    [
      "tlsTerminated for an app that is reached over http",
      { tlsTerminated: true, redirectUri: "http://127.0.0.1:3000/callback" },
      "PORTAL_TLS_TERMINATED (option tlsTerminated): remove it",
    ],
    ["sessionClaims without the session route", { sessionClaims: ["name"] }, "option sessionClaims"],
    [
      "sessionClaims while the session route is off",
      { sessionClaims: ["name"], routes: { session: false } },
      "option sessionClaims",
    ],
    ["two routes with one path", { routes: { login: "/callback" } }, "option routes"],
    [
      "authorization parameters that protect the login",
      { authorizationParams: { state: "x" } },
      "PORTAL_AUTH_SOURCE_ID",
    ],
    ["a store of another kind", { store: new Map() }, "SESSION_STORE_URL (option store)"],
    [
      "a store of express-session",
      { store: new session.MemoryStore() },
      "SESSION_STORE_URL (option store): must be a URL (redis://…, postgres://…)",
    ],
    [
      "an adapter without some methods",
      { store: { read() {}, create() {}, remove() {}, index: { add() {}, list() {} } } },
      "SESSION_STORE_URL (option store): is an adapter without replace, touch, index.remove\n",
    ],
    ["session keys that are no list", { keepSessionKeys: "cart" }, "option keepSessionKeys"],
  ])("%s", (_name, options, message) => {
    expect(problems(options)).toContain(`- ${message}`);
  });

  test("http, unless provider and app are on loopback", () => {
    for (const host of ["127.0.0.1:3001", "localhost:3001", "[::1]:3001"])
      expect(
        problems({ redirectUri: `http://${host}/callback` }, { ...ENV, PORTAL_ISSUER: `http://${host}` }),
      ).toBe("");
    expect(problems({ redirectUri: "http://app.example/callback" })).toContain(
      "https://… (http only on loopback)",
    );
    expect(problems({ issuer: "http://127.0.0.1.evil.example" })).toContain("PORTAL_ISSUER");
    expect(problems({ issuer: "http://localhost.evil.example" })).toContain("PORTAL_ISSUER");
  });

  test("invalid values without showing them, because one may be a secret in the wrong place", () => {
    const message = problems({
      clientAuth: "hunter2-auth",
      secret: "hunter2-secret",
      issuer: "hunter2-issuer",
      scope: "hunter2",
      apiOrigins: ["https://user:hunter2@api.example"],
      refreshLeeway: "hunter2",
      tokenEncryptionKey: "hunter2",
      clock: "hunter2",
    });
    expect(message).not.toContain("hunter2");
    expect(message.split("\n  - ")).toHaveLength(9);
    expect(message).toMatch(/\n {2}More: npx express-portal-auth explain options_invalid$/);
  });

  test.each(Object.keys(OptionsSchema.entries))(
    "a value of any shape for %s without showing it",
    (option) => {
      const shapes = [
        "hunter2",
        ["hunter2"],
        [["hunter2"]],
        { x: "hunter2" },
        { login: "hunter2", onLogin: "hunter2" },
      ];
      for (const shape of shapes) expect(problems({ [option]: shape })).not.toContain("hunter2");
    },
  );

  test.each([
    "redis://:hunter2@",
    "redis://:hunter2@[x",
    "redis//:hunter2@cache.example",
    "https://:hunter2@db.example",
  ])("an invalid store without showing its password: %s", (address) => {
    for (const message of [
      problems({ store: address }),
      problems({}, { ...ENV, SESSION_STORE_URL: address }),
    ]) {
      expect(message).toContain("- SESSION_STORE_URL (option store): write memory:, redis://…");
      expect(message).not.toContain("hunter2");
    }
  });

  test("nothing for SESSION_STORE_URL=memory:, which is the default", () => {
    expect(problems({}, { ...ENV, SESSION_STORE_URL: "memory:" })).toBe("");
  });

  test("unknown options, and names the most similar option for each", () => {
    const message = problems({ clientID: "a", redirectURI: "b", foo: 1 });
    expect(message).toContain("- option clientID: no such option: did you mean clientId?");
    expect(message).toContain("- option redirectURI: no such option: did you mean redirectUri?");
    expect(message).toMatch(/- option foo: no such option$/m);
  });

  test("missing options, in the order of the documentation", () => {
    const message = [...problems({}, {}).matchAll(/\(option (\w+)\)/g)].map(([, option]) => option);
    expect(message).toEqual(["issuer", "clientId", "clientSecret", "redirectUri", "secret"]);
  });
});

describe("characters around a variable's value", () => {
  const around = (before: string, after: string) =>
    Object.fromEntries(
      Object.entries({
        ...ENV,
        PORTAL_PROFILE: "openid",
        PORTAL_HTTP_TIMEOUT: "7",
        PORTAL_SILENT_LOGIN: "on",
      }).map(([name, value]) => [name, before + value + after]),
    );

  test.each([
    ["a CR, as of a file with Windows line ends", "", "\r"],
    ["a line break", "", "\n"],
    ["spaces and a tab", "  ", " \t"],
    ["a byte order mark", "\uFEFF", ""],
    ["a no-break space, copied from a web page", "\u00A0", "\u00A0"],
  ])("are removed: %s", (_what, before, after) => {
    expect(resolveSettings({}, around(before, after))).toMatchObject({
      issuer: ENV.PORTAL_ISSUER,
      clientId: "env-client",
      clientSecret: "env-secret",
      redirectUri: ENV.PORTAL_REDIRECT_URI,
      secrets: [SECRET],
      httpTimeout: 7,
      silentLogin: true,
      nonce: "required",
    });
  });

  test("count as unset if nothing else is left", () => {
    expect(resolveSettings({}, { ...ENV, PORTAL_SCOPE: " \r" }).scope).toBe("openid");
    expect(problems({}, { ...ENV, PORTAL_CLIENT_ID: "\r" })).toContain(
      "PORTAL_CLIENT_ID (option clientId) is missing",
    );
  });

  test("are ignored when the issuer is compared with that in code", () => {
    const env = { ...ENV, PORTAL_ISSUER: `${ENV.PORTAL_ISSUER}/\r` };
    expect(resolveSettings({ issuer: ENV.PORTAL_ISSUER }, env).clientId).toBe("env-client");
  });

  test.each(['"', "'", "`", "“ ”"])(
    "are rejected if they are quotation marks, without showing the value: %s",
    (marks) => {
      const [before = "", after = before] = marks.split(" ");
      const message = problems({}, around(before, after));
      for (const name of Object.keys(ENV))
        expect(message).toContain(`- ${name} has quotation marks around its value`);
      expect(message.match(/PORTAL_CLIENT_ID/g)).toHaveLength(1);
      expect(message).not.toMatch(/env-client|env-secret/);
      expect(message).not.toContain(SECRET);
    },
  );

  test("are accepted if they are a single quotation mark", () => {
    expect(resolveSettings({}, { ...ENV, PORTAL_CLIENT_SECRET: '"half' }).clientSecret).toBe('"half');
  });
});

describe("an unknown variable", () => {
  const SERVICE_LINKS = {
    PORTAL_SERVICE_HOST: "10.0.0.11",
    PORTAL_SERVICE_PORT: "8080",
    PORTAL_SERVICE_PORT_HTTP: "8080",
    PORTAL_PORT: "tcp://10.0.0.11:8080",
    PORTAL_PORT_8080_TCP: "tcp://10.0.0.11:8080",
    PORTAL_PORT_8080_TCP_PROTO: "tcp",
    PORTAL_PORT_8080_TCP_PORT: "8080",
    PORTAL_PORT_8080_TCP_ADDR: "10.0.0.11",
    PORTAL_PORT_53_UDP: "udp://10.0.0.11:53",
    PORTAL_WEB_SERVICE_HOST: "10.0.0.12",
    PORTAL_WEB_PORT: "tcp://[fd00::12]:80",
    SESSION_STORE_SERVICE_HOST: "10.0.0.13",
    SESSION_STORE_PORT: "tcp://10.0.0.13:6379",
  };

  test("is ignored if Kubernetes sets it for a service of that name", () => {
    expect(findVariableTypos({ ...ENV, ...SERVICE_LINKS })).toEqual([]);
    expect(problems({}, { ...without("PORTAL_CLIENT_ID"), ...SERVICE_LINKS })).not.toContain(
      "is not a variable",
    );
  });

  test("is reported if it only resembles one that Kubernetes sets", () => {
    expect(findVariableTypos({ ...ENV, PORTAL_PORT: "8080" })).toHaveLength(1);
  });

  test("is reported if its name begins with the byte order mark of a file", () => {
    const env = { ...without("PORTAL_ISSUER"), "\uFEFFPORTAL_ISSUER": ENV.PORTAL_ISSUER };
    expect(problems({}, env)).toContain("- PORTAL_ISSUER begins with a byte order mark: save your .env file");
  });

  test("is reported with the nearest name, together with the missing option", () => {
    const env = { ...without("PORTAL_CLIENT_ID"), PORTAL_CLEINT_ID: "x" };
    expect(problems({}, env)).toContain(
      "PORTAL_CLEINT_ID is not a variable of express-portal-auth. The nearest is PORTAL_CLIENT_ID",
    );
  });

  test("is reported, but causes no error, if no option is missing", () => {
    const env = { ...ENV, PORTAL_SCOPES: "openid", PORTAL_NONSE: "off", SESSION_STORE: "redis://127.0.0.1" };
    expect(problems({}, env)).toBe("");
    expect(findVariableTypos(env)).toEqual([
      expect.stringContaining("nearest is PORTAL_SCOPE"),
      expect.stringContaining("nearest is PORTAL_NONCE"),
      expect.stringContaining("nearest is SESSION_STORE_URL"), // and not SESSION_SECRET
    ]);
  });

  test.each([["SESSION_SECERT"], ["SESSION_SECRETS"], ["SESSION_IDEL"], ["SESSION_SAMESITE"]])(
    "is reported if it is close to one of ours, although other software may use it: %s",
    (name) => {
      expect(problems({}, { ...without("SESSION_SECRET"), [name]: "x" })).toContain(
        `- ${name} is not a variable of`,
      );
    },
  );

  test("is ignored if it belongs to other software, and known variables are not reported", () => {
    expect(
      findVariableTypos({ ...ENV, PORTAL_CLIENT_SECRET_FILE: "/x", PATH: "/bin", SESSION_NAME: "x" }),
    ).toEqual([]);
  });
});

describe("a secret in a file", () => {
  let folder = "";
  const file = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "portal-auth-"));
    await writeFile(file("client"), "from-the-file\n");
    await writeFile(file("session"), `${SECRET}\r\n`);
    await writeFile(file("empty"), "\n");
    await writeFile(file("store"), "redis://:hunter2@cache.example:6379\n");
    await writeFile(file("keys"), `${"a".repeat(32)},${"b".repeat(32)}\n`);
    await writeFile(file("wrong"), "hunter2\n");
    await writeFile(file("marked"), "\uFEFF  from-the-file\r\n");
    await writeFile(file("quoted"), '"hunter2"\n');
    await writeFile(file("utf16"), Buffer.from("\uFEFFhunter2\r\n", "utf16le"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is read without the line break at its end", () => {
    const env = {
      ...without("PORTAL_CLIENT_SECRET", "SESSION_SECRET"),
      PORTAL_CLIENT_SECRET_FILE: file("client"),
      SESSION_SECRET_FILE: file("session"),
    };
    expect(resolveSettings({}, env)).toMatchObject({ clientSecret: "from-the-file", secrets: [SECRET] });
  });

  test("is read without a byte order mark and spaces, and from a path with a CR at its end", () => {
    const env = { ...without("PORTAL_CLIENT_SECRET"), PORTAL_CLIENT_SECRET_FILE: `${file("marked")}\r` };
    expect(resolveSettings({}, env).clientSecret).toBe("from-the-file");
  });

  test.each([
    ["quoted", "the file of PORTAL_CLIENT_SECRET_FILE has quotation marks around its value"],
    ["utf16", "PORTAL_CLIENT_SECRET_FILE names a file that is not UTF-8 text"],
  ])("is reported without its content if it is %s", (name, problem) => {
    const message = problems(
      {},
      { ...without("PORTAL_CLIENT_SECRET"), PORTAL_CLIENT_SECRET_FILE: file(name) },
    );
    expect(message).toContain(problem);
    expect(message.match(/PORTAL_CLIENT_SECRET/g)).toHaveLength(1);
    expect(message).not.toContain("hunter2");
  });

  test("is reported if its path is in quotation marks", () => {
    const message = problems(
      {},
      { ...without("PORTAL_CLIENT_SECRET"), PORTAL_CLIENT_SECRET_FILE: '"/run/secrets/x"' },
    );
    expect(message).toContain("- PORTAL_CLIENT_SECRET_FILE has quotation marks around its value");
  });

  test("may be the URL of a store with its password, or the keys for tokens at rest", () => {
    const env = { ...ENV, SESSION_STORE_URL_FILE: file("store"), TOKEN_ENCRYPTION_KEY_FILE: file("keys") };
    expect(resolveSettings({}, env)).toMatchObject({
      store: "redis://:hunter2@cache.example:6379",
      tokenEncryptionKeys: ["a".repeat(32), "b".repeat(32)],
    });
  });

  test("is reported with its variable, without its content, if it is invalid", () => {
    const env = { ...ENV, SESSION_STORE_URL_FILE: file("wrong"), TOKEN_ENCRYPTION_KEY_FILE: file("wrong") };
    const message = problems({}, env);
    expect(message).toContain("- SESSION_STORE_URL (option store): write memory:");
    expect(message).toContain(
      "- TOKEN_ENCRYPTION_KEY (option tokenEncryptionKey): write at least 32 random characters",
    );
    expect(message).not.toContain("hunter2");
  });

  test("is reported once, with its variable, if it is missing or empty", () => {
    const message = problems(
      {},
      {
        ...without("PORTAL_CLIENT_SECRET", "SESSION_SECRET"),
        PORTAL_CLIENT_SECRET_FILE: file("nowhere"),
        SESSION_SECRET_FILE: file("empty"),
      },
    );
    expect(message).toContain("PORTAL_CLIENT_SECRET_FILE names a file that cannot be read (ENOENT)");
    expect(message).toContain("SESSION_SECRET_FILE names a file that is empty");
    expect(message.match(/PORTAL_CLIENT_SECRET/g)).toHaveLength(1);
  });

  test("is rejected if its variable is set as well", () => {
    const message = problems({}, { ...ENV, PORTAL_CLIENT_SECRET_FILE: file("client") });
    expect(message).toContain("PORTAL_CLIENT_SECRET and PORTAL_CLIENT_SECRET_FILE are both set");
  });

  test("is not read for an option that is set in code", () => {
    expect(
      resolveSettings({ clientSecret: "code" }, { ...ENV, PORTAL_CLIENT_SECRET_FILE: file("nowhere") })
        .clientSecret,
    ).toBe("code");
  });
});
