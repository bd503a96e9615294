import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { explain, type PortalAuthOptions, portalAuth } from "../../lib/index.js";
import { OptionsSchema, VARIABLES } from "../../lib/settings/option-table.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";

const SECRET = randomBytes(24).toString("hex");
const ENVIRONMENT = {
  PORTAL_ISSUER: "https://sample.portal.tencentciam.com",
  PORTAL_CLIENT_ID: "app",
  PORTAL_CLIENT_SECRET: SECRET,
  PORTAL_REDIRECT_URI: "https://app.example/callback",
  SESSION_SECRET: `${SECRET},${SECRET}${SECRET}`,
};

const BY_HAND: PortalAuthOptions = {
  authorizationUrl: "https://a.example/authorize",
  tokenUrl: "https://a.example/token",
  jwksUrl: "https://a.example/keys",
};

const explained = (options: PortalAuthOptions = {}, env: Record<string, string> = {}) =>
  new Map(
    explain(options, { ...ENVIRONMENT, ...env }).map(
      ({ option, ...rest }) => [option as string, rest] as const,
    ),
  );

test("explain() shows every option with its variable, in the order of the documentation", () => {
  const all = explain({}, ENVIRONMENT);
  expect(all.map(({ option }) => option)).toEqual(Object.keys(OptionsSchema.entries));
  const variables = all.flatMap(({ option, variable }) => (variable ? [[option, variable]] : []));
  expect(Object.fromEntries(variables)).toEqual(VARIABLES);
});

test.each<[string, PortalAuthOptions, Record<string, string>, string, string | undefined, string]>([
  ["in code", { issuer: "https://other.example" }, {}, "issuer", "https://other.example", "option"],
  ["in the environment", {}, {}, "issuer", "https://sample.portal.tencentciam.com", "variable"],
  ["in both", { clientId: "code" }, {}, "clientId", "code", "option"],
  ["nowhere", {}, {}, "httpTimeout", "10", "default"],
  ["nowhere, without a default", {}, {}, "tokenEncryptionKey", undefined, "default"],
  ["by the issuer's host", {}, {}, "profile", "tencent-ciam", "default"],
  ["by the profile", {}, {}, "nonce", "optional", "profile"],
  [
    "by the profile, for what discovery omits",
    {},
    {},
    "revocationUrl",
    "from discovery, else https://sample.portal.tencentciam.com/oauth2/revoke",
    "profile",
  ],
  ["by discovery alone", { profile: "openid" }, {}, "revocationUrl", "from discovery", "default"],
  [
    "by the issuer",
    {},
    {},
    "discoveryUrl",
    "https://sample.portal.tencentciam.com/.well-known/openid-configuration",
    "default",
  ],
  [
    "by nothing, because the endpoints are set",
    BY_HAND,
    {},
    "discoveryUrl",
    "none: the endpoints are set",
    "default",
  ],
  ["by another option", {}, {}, "postLogoutRedirectUri", "https://app.example/", "default"],
  [
    "by another option that may have a prefix",
    { redirectUri: "https://app.example/a/callback" },
    {},
    "postLogoutRedirectUri",
    "https://app.example/ (if a proxy removes /a from the path: https://app.example/a/)",
    "default",
  ],
  ["as a function", { authorizationParams: () => ({}) }, {}, "authorizationParams", "a function", "option"],
  ["as hooks", { hooks: { onLogin() {} } }, {}, "hooks", '{"onLogin":"a function"}', "option"],
  [
    "by its own variable",
    {},
    { PORTAL_AUTH_SOURCE_ID: "wx" },
    "authorizationParams",
    '{"auth_source_id":"wx"}',
    "variable",
  ],
  [
    "as a list",
    { apiOrigins: ["https://api.example"] },
    {},
    "apiOrigins",
    '["https://api.example"]',
    "option",
  ],
  ["as a store", { store: createMemoryStore() }, {}, "store", "one of your own", "option"],
  [
    "as routes, some of which are off",
    {},
    {},
    "routes",
    '{"login":"/login","callback":"/callback","logout":"/logout","backchannelLogout":false,"frontchannelLogout":false,"session":false,"form":"/login/form"}',
    "default",
  ],
])("explain() shows a value that is set %s", (_where, options, env, option, value, origin) => {
  expect(explained(options, env).get(option)).toMatchObject({ value, origin });
});

test("explain() shows only the length of a secret, from any source", async () => {
  const folder = await mkdtemp(join(tmpdir(), "explain-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "key"), `${SECRET}\n`);
  const env = {
    TOKEN_ENCRYPTION_KEY_FILE: join(folder, "key"),
    SESSION_STORE_URL: `rediss://name:${SECRET}@redis.example:6380/2?password=${SECRET}`,
  };
  const all = explained({}, env);
  expect(JSON.stringify([...all])).not.toContain(SECRET);
  expect(all.get("clientSecret")).toMatchObject({ value: "set, 48 characters", origin: "variable" });
  expect(all.get("secret")).toMatchObject({ value: "set, 48 and 96 characters" });
  expect(all.get("tokenEncryptionKey")).toEqual({
    variable: "TOKEN_ENCRYPTION_KEY_FILE",
    value: "set, 48 characters",
    origin: "file",
  });
  expect(all.get("store")).toMatchObject({ value: "rediss://redis.example:6380/2", origin: "variable" });
  const inCode = explained({ secret: [SECRET, SECRET], clientSecret: SECRET, tokenEncryptionKey: SECRET });
  expect(JSON.stringify([...inCode])).not.toContain(SECRET);
  expect(inCode.get("secret")).toMatchObject({ value: "set, 48 and 48 characters", origin: "option" });
});

test("explain() shows an invalid value as it was written, but no user name or password in a URL", () => {
  const all = explained(
    { httpTimeout: "soon" as never },
    { PORTAL_ISSUER: `https://me:${SECRET}@portal.example` },
  );
  expect(all.get("httpTimeout")).toMatchObject({ value: "soon", origin: "option" });
  expect(all.get("issuer")).toMatchObject({ value: "a URL with a user name or password" });
  expect(explained({ store: `redis//${SECRET}` }).get("store")).toMatchObject({
    value: "set, but not the URL of a store",
  });
});

test("explain() shows the configuration of one portalAuth()", () => {
  const router = portalAuth({
    issuer: "https://portal.example",
    clientId: "app",
    clientSecret: SECRET,
    redirectUri: "https://app.example/callback",
    secret: SECRET,
  });
  const issuer = router.explain().find(({ option }) => option === "issuer");
  expect(issuer).toEqual({
    option: "issuer",
    variable: "PORTAL_ISSUER",
    value: "https://portal.example",
    origin: "option",
  });
});

describe("explain() never shows a password in an invalid", () => {
  const shown = (options: PortalAuthOptions, env: Record<string, string> = {}) =>
    JSON.stringify(explain(options, { ...ENVIRONMENT, ...env }));

  test.each([
    "default:hunter2pw@redis.example:6379",
    "redis:/:hunter2pw@redis.example",
    "redis:default:hunter2pw@redis.example",
    "postgres://app:5432/hunter2pw@db.example/app",
    "postgres://app:12?hunter2pw@db.example",
    "redis://default:7#hunter2pw@redis.example",
    "hunter2pw",
  ])("URL of a store: %s", (address) => {
    expect(shown({}, { SESSION_STORE_URL: address })).not.toMatch(/hunter2|default:7|app:12/);
    expect(shown({}, { SESSION_STORE_URL: address })).toContain("set, but not the URL of a store");
  });

  test.each([
    "https://admin:hunter2@portal.example",
    "https://admin:p@hunter2@portal.example",
    "https://admin:pass hunter2@portal.example",
    "https:/admin:hunter2@portal.example",
    "https:admin:hunter2@portal.example",
  ])("URL of a provider or an API: %s", (address) => {
    for (const option of ["issuer", "userinfoUrl", "redirectUri"])
      expect(shown({ [option]: address })).not.toContain("hunter2");
    expect(shown({ apiOrigins: [address] })).not.toContain("hunter2");
  });
});

test("explain() shows objects of the application without their content, also circular ones", () => {
  const logger = { warn() {}, error() {}, transports: [{ apiKey: "hunter2" }], itself: {} };
  logger.itself = logger;
  expect(explained({ logger }).get("logger")).toMatchObject({ value: "one of your own", origin: "option" });
  expect(explained({ authorizationParams: { a: 1n } as never }).get("authorizationParams")?.value).toBe(
    '{"a":"1"}',
  );
  const circle: Record<string, unknown> = {};
  circle["itself"] = circle;
  expect(explained({ authorizationParams: circle as never }).get("authorizationParams")?.value).toBe(
    "an object of your own",
  );
  expect(() => portalAuth({ ...PORTAL, logger }).explain()).not.toThrow();
  expect(Object.isFrozen(logger) || Object.isFrozen(logger.transports)).toBe(false);
});

const PORTAL = {
  issuer: "https://portal.example",
  clientId: "app",
  clientSecret: SECRET,
  redirectUri: "https://app.example/callback",
  secret: SECRET,
};
