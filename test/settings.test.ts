import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import session from "express-session";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PortalAuthError } from "../lib/errors.js";
import { VARIABLES } from "../lib/option-table.js";
import type { PortalAuthOptions } from "../lib/options.js";
import { settleOptions, warnings } from "../lib/settings.js";

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
    settleOptions(options as PortalAuthOptions, env);
  } catch (error) {
    expect(error).toBeInstanceOf(PortalAuthError);
    expect((error as PortalAuthError).code).toBe("options_invalid");
    return (error as PortalAuthError).message;
  }
  return "";
}

describe("what is settled", () => {
  test("everything can come from the environment, and the rest has defaults", () => {
    expect(settleOptions({}, ENV)).toMatchObject({
      issuer: "https://sample.portal.tencentciam.com",
      clientId: "env-client",
      clientSecret: "env-secret",
      clientAuth: "client_secret_post",
      redirectUri: "https://app.example/callback",
      scope: "openid",
      authorizationParams: {},
      nonce: "optional",
      postLogoutRedirectUri: "https://app.example/",
      httpTimeout: 10,
      clockTolerance: 30,
      routes: { login: "/login", callback: "/callback", logout: "/logout" },
      secrets: [SECRET],
      sessionIdle: 86_400,
      sessionAbsolute: 604_800,
      keepSessionKeys: [],
      https: true,
    });
  });

  test("an option in code wins over its variable", () => {
    expect(settleOptions({ clientId: "code-client" }, ENV).clientId).toBe("code-client");
    expect(settleOptions({ httpTimeout: 3 }, { ...ENV, PORTAL_HTTP_TIMEOUT: "7" }).httpTimeout).toBe(3);
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
    ["httpTimeout", "2.5", 2.5],
    ["clockTolerance", "0", 0],
    ["sessionIdle", "60", 60],
    ["sessionAbsolute", "120", 120],
  ])("%s is read from its variable", (option, value, settled) => {
    const settings = settleOptions({}, { ...ENV, [VARIABLES[option]]: value }) as unknown as Record<string, unknown>;
    if (option === "profile") expect(settings["nonce"]).toBe("required");
    else expect(settings[option]).toEqual(settled);
  });

  test("an empty variable counts as unset", () => {
    expect(settleOptions({}, { ...ENV, PORTAL_SCOPE: "" }).scope).toBe("openid");
    expect(problems({}, { ...ENV, PORTAL_CLIENT_ID: "" })).toContain("PORTAL_CLIENT_ID (option clientId) is missing");
  });

  test("the profile follows the issuer's host, and an option names it for a tenant's own domain", () => {
    expect(settleOptions({}, ENV).nonce).toBe("optional");
    expect(settleOptions({ issuer: "https://login.example" }, ENV).nonce).toBe("required");
    expect(settleOptions({ issuer: "https://eviltencentciam.com" }, ENV).nonce).toBe("required");
    expect(settleOptions({ issuer: "https://login.example", profile: "tencent-ciam" }, ENV).nonce).toBe("optional");
  });

  test("a client without a secret needs none, and one that is there all the same is not used", () => {
    expect(settleOptions({ clientAuth: "none" }, without("PORTAL_CLIENT_SECRET")).clientSecret).toBeUndefined();
    expect(settleOptions({ clientAuth: "none" }, ENV).clientSecret).toBeUndefined();
  });

  test("session secrets rotate: several, separated by commas or as a list", () => {
    const [a, b] = ["a".repeat(32), "b".repeat(32)];
    expect(settleOptions({}, { ...ENV, SESSION_SECRET: `${a}, ${b}` }).secrets).toEqual([a, b]);
    expect(settleOptions({ secret: [a, b] }, ENV).secrets).toEqual([a, b]);
  });

  test("settings are frozen, down to the last list, and what was handed in is left alone", () => {
    const given = { authorizationParams: { prompt: "login" }, keepSessionKeys: ["cart"], routes: { login: "/in" } };
    const settings = settleOptions(given, ENV);
    for (const part of [settings, settings.routes, settings.secrets, settings.keepSessionKeys, settings.hooks])
      expect(Object.isFrozen(part)).toBe(true);
    expect(Object.isFrozen(settings.authorizationParams)).toBe(true);
    for (const part of Object.values(given)) expect(Object.isFrozen(part)).toBe(false);
    given.routes.login = "/changed";
    expect(settings.routes).toEqual({ login: "/in", callback: "/callback", logout: "/logout" });
  });

  test("a store is the app's own and stays usable", () => {
    const store = new session.MemoryStore();
    expect(settleOptions({ store }, ENV).store).toBe(store);
    expect(Object.isFrozen(store)).toBe(false);
  });
});

describe("what is refused", () => {
  test("all problems are told at once, each with its variable and what to write there", () => {
    const told = problems({}, {});
    for (const name of [
      "PORTAL_ISSUER",
      "PORTAL_CLIENT_ID",
      "PORTAL_CLIENT_SECRET",
      "PORTAL_REDIRECT_URI",
      "SESSION_SECRET",
    ])
      expect(told).toMatch(new RegExp(`- ${name}\\b.* is missing: write `));
    expect(told.split("\n  - ")).toHaveLength(6);
  });

  test.each<[string, object, string]>([
    ["an issuer over http", { issuer: "http://portal.example" }, "PORTAL_ISSUER"],
    ["an issuer that is no address", { issuer: "portal" }, "PORTAL_ISSUER"],
    ["an issuer with a query", { issuer: "https://portal.example?x" }, "PORTAL_ISSUER"],
    ["an issuer with a password in it", { issuer: "https://me:pass@portal.example" }, "PORTAL_ISSUER"],
    ["a script as issuer", { issuer: "javascript:alert(1)" }, "PORTAL_ISSUER"],
    ["an unknown profile", { profile: "wechat" }, "PORTAL_PROFILE"],
    ["a client id that is a number", { clientId: 7 }, "PORTAL_CLIENT_ID"],
    ["an unknown way to authenticate", { clientAuth: "private_key_jwt" }, "PORTAL_CLIENT_AUTH"],
    ["a redirect address over http", { redirectUri: "http://app.example/callback" }, "PORTAL_REDIRECT_URI"],
    ["a redirect address with a fragment", { redirectUri: "https://app.example/callback#x" }, "PORTAL_REDIRECT_URI"],
    ["a redirect address with a query", { redirectUri: "https://app.example/callback?x=1" }, "PORTAL_REDIRECT_URI"],
    [
      "a redirect address that browsers write in another way",
      { redirectUri: "https://App.example:443/callback" },
      "PORTAL_REDIRECT_URI",
    ],
    ["a scope without openid", { scope: "email" }, "PORTAL_SCOPE"],
    ["a scope that only looks like openid", { scope: "openid2" }, "PORTAL_SCOPE"],
    ["an unknown nonce policy", { nonce: "never" }, "PORTAL_NONCE"],
    ["a timeout of nothing", { httpTimeout: 0 }, "PORTAL_HTTP_TIMEOUT"],
    ["a timeout with a unit", { httpTimeout: "10s" }, "PORTAL_HTTP_TIMEOUT"],
    ["a negative tolerance", { clockTolerance: -1 }, "PORTAL_CLOCK_TOLERANCE"],
    ["a tolerance that is not a number", { clockTolerance: Number.NaN }, "PORTAL_CLOCK_TOLERANCE"],
    ["a short session secret", { secret: "short" }, "SESSION_SECRET"],
    ["one short secret among good ones", { secret: [SECRET, "short"] }, "SESSION_SECRET"],
    ["no secrets in the list", { secret: [] }, "SESSION_SECRET"],
    ["a route without a slash", { routes: { login: "login" } }, "option routes.login"],
    ["a route that does not exist", { routes: { signin: "/x" } }, "option routes.signin"],
    ["a hook that is no function", { hooks: { onLogin: "x" } }, "option hooks.onLogin"],
    ["a hook that does not exist", { hooks: { onLogn: () => {} } }, "option hooks.onLogn"],
    ["a store that is none", { store: {} }, "SESSION_STORE_URL (option store)"],
    ["an option that does not exist", { clientID: "x" }, "option clientID"],
    ["authorization parameters as text", { authorizationParams: "prompt=login" }, "PORTAL_AUTH_SOURCE_ID"],
    ["session keys that are taken", { keepSessionKeys: ["cart", "cookie"] }, "option keepSessionKeys"],
    [
      "a redirect address that leads elsewhere than the callback",
      { redirectUri: "https://app.example/cb" },
      "PORTAL_REDIRECT_URI",
    ],
    ["two steps at one path", { routes: { login: "/callback" } }, "option routes"],
    [
      "authorization parameters that protect the login",
      { authorizationParams: { state: "x" } },
      "PORTAL_AUTH_SOURCE_ID",
    ],
    ["a store of another kind", { store: new Map() }, "SESSION_STORE_URL (option store)"],
    ["session keys that are no list", { keepSessionKeys: "cart" }, "option keepSessionKeys"],
  ])("%s", (_name, options, told) => {
    expect(problems(options)).toContain(`- ${told}`);
  });

  test("http is for loopback: the portal and the app on this machine", () => {
    for (const host of ["127.0.0.1:3001", "localhost:3001", "[::1]:3001"])
      expect(problems({ issuer: `http://${host}`, redirectUri: `http://${host}/callback` })).toBe("");
    expect(problems({ issuer: "http://127.0.0.1.evil.example" })).toContain("PORTAL_ISSUER");
    expect(problems({ issuer: "http://localhost.evil.example" })).toContain("PORTAL_ISSUER");
  });

  test("no value stands in the report, as it may be a secret in the wrong place", () => {
    const told = problems({
      clientAuth: "hunter2-auth",
      secret: "hunter2-secret",
      issuer: "hunter2-issuer",
      scope: "hunter2",
    });
    expect(told).not.toContain("hunter2");
    expect(told.split("\n  - ")).toHaveLength(5);
  });

  test("SESSION_STORE_URL=memory: says what happens anyway", () => {
    expect(problems({}, { ...ENV, SESSION_STORE_URL: "memory:" })).toBe("");
  });
});

describe("a variable that nobody reads", () => {
  test("is told as a likely typo, with the nearest real name, beside what is missing for it", () => {
    const env = { ...without("PORTAL_CLIENT_ID"), PORTAL_CLEINT_ID: "x" };
    expect(problems({}, env)).toContain(
      "PORTAL_CLEINT_ID is not a variable of express-portal-auth. The nearest is PORTAL_CLIENT_ID",
    );
  });

  test("is told also when nothing is missing, and stops nobody", () => {
    const env = { ...ENV, PORTAL_SCOPES: "openid", PORTAL_NONSE: "off" };
    expect(problems({}, env)).toBe("");
    expect(warnings(env)).toEqual([
      expect.stringContaining("nearest is PORTAL_SCOPE"),
      expect.stringContaining("nearest is PORTAL_NONCE"),
    ]);
  });

  test("a name that exists, and one of somebody else, are no typos", () => {
    expect(warnings({ ...ENV, PORTAL_CLIENT_SECRET_FILE: "/x", PATH: "/bin", SESSION_NAME: "x" })).toEqual([]);
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
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("is read, without the line break at its end", () => {
    const env = {
      ...without("PORTAL_CLIENT_SECRET", "SESSION_SECRET"),
      PORTAL_CLIENT_SECRET_FILE: file("client"),
      SESSION_SECRET_FILE: file("session"),
    };
    expect(settleOptions({}, env)).toMatchObject({ clientSecret: "from-the-file", secrets: [SECRET] });
  });

  test("that is missing or empty is told with its variable, once", () => {
    const told = problems(
      {},
      {
        ...without("PORTAL_CLIENT_SECRET", "SESSION_SECRET"),
        PORTAL_CLIENT_SECRET_FILE: file("nowhere"),
        SESSION_SECRET_FILE: file("empty"),
      },
    );
    expect(told).toContain("PORTAL_CLIENT_SECRET_FILE names a file that cannot be read (ENOENT)");
    expect(told).toContain("SESSION_SECRET_FILE names a file that is empty");
    expect(told.match(/PORTAL_CLIENT_SECRET/g)).toHaveLength(1);
  });

  test("beside its variable is one too many", () => {
    const told = problems({}, { ...ENV, PORTAL_CLIENT_SECRET_FILE: file("client") });
    expect(told).toContain("PORTAL_CLIENT_SECRET and PORTAL_CLIENT_SECRET_FILE are both set");
  });

  test("is not needed for an option that is given in code", () => {
    expect(
      settleOptions({ clientSecret: "code" }, { ...ENV, PORTAL_CLIENT_SECRET_FILE: file("nowhere") }).clientSecret,
    ).toBe("code");
  });
});
