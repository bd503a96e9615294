import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import express from "express";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { createStore } from "../../lib/create-store.js";
import {
  type Check,
  type DiagnoseOptions,
  diagnose,
  type PortalAuthOptions,
  portalAuth,
} from "../../lib/index.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { openStore } from "../../lib/store/open-store.js";
import type { RecordStore } from "../../lib/store/record-store.js";
import { type LocalProviderOptions, startLocalProvider } from "../../lib/testing/provider/local-provider.js";
import { html, json } from "../access/signed-in-request.js";
import { createMinimalRecords } from "../support/minimal-records.js";
import { serve } from "../support/serve.js";
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startTlsFront } from "../support/tls-front.js";

const CLIENT_SECRET = randomBytes(24).toString("base64url");
const SECRET = randomBytes(32).toString("base64url");
const REDIRECT = `http://127.0.0.1:${await freePort()}/callback`;

async function startProvider(more: Partial<LocalProviderOptions> = {}) {
  const provider = await startLocalProvider({
    clientId: "app",
    clientSecret: CLIENT_SECRET,
    redirectUris: [REDIRECT],
    logoutRedirectUris: [],
    ...more,
  });
  onTestFinished(() => provider.close());
  return provider;
}

const optionsFor = (issuer: string): PortalAuthOptions => ({
  issuer,
  profile: "tencent-ciam",
  clientId: "app",
  clientSecret: CLIENT_SECRET,
  redirectUri: REDIRECT,
  secret: SECRET,
});

/** Runs the doctor, and checks that its result contains no secret. */
async function runDoctor(options: PortalAuthOptions, more: DiagnoseOptions = {}) {
  const { ok, checks } = await diagnose(options, { env: {}, ...more });
  const all = JSON.stringify(checks);
  for (const secret of [CLIENT_SECRET, SECRET]) expect(all).not.toContain(secret);
  const find = (id: string): Check | undefined => checks.find((check) => check.id === id);
  const verdicts = Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));
  return { ok, checks, find, verdicts, failed: checks.filter(({ verdict }) => verdict === "failed") };
}

test("reports a working configuration as ok", async () => {
  const provider = await startProvider();
  const { ok, verdicts, find } = await runDoctor(optionsFor(provider.issuer));
  expect(ok).toBe(true);
  expect(verdicts).toEqual({
    "options.issuer": "ok",
    "options.profile": "ok",
    "options.clientId": "ok",
    "options.clientSecret": "ok",
    "options.redirectUri": "ok",
    "options.secret": "ok",
    "options.defaults": "ok",
    "portal.connection": "ok",
    "portal.issuer": "ok",
    "portal.endpoints": "ok",
    "portal.userinfo": "ok",
    "portal.revocation": "ok",
    "portal.logout": "ok",
    "portal.algorithm": "ok",
    "portal.keys": "ok",
    "portal.clock": "ok",
    "credentials.token": "ok",
    "credentials.authorize": "ok",
    "redirect.route": "ok",
    "redirect.scheme": "warning",
    "redirect.register": "ok",
    "redirect.answered": "skipped",
    "cookies.flags": "ok",
    "store.kind": "warning",
  });
  expect(find("portal.userinfo")?.found).toBe(`${provider.issuer}/userinfo (profile tencent-ciam)`);
  expect(find("credentials.token")?.found).toBe("invalid_grant to a made-up code");
  expect(find("redirect.register")?.found).toBe(
    `redirect URI ${REDIRECT}, after a logout ${new URL("/", REDIRECT)}`,
  );
});

test("rejects an unknown group in skip", async () => {
  await expect(runDoctor({}, { skip: ["credential" as "credentials"] })).rejects.toThrow(
    "diagnose: there is no group credential; the groups are options, portal, credentials",
  );
});

test("changes nothing at the provider and obtains no token", async () => {
  const provider = await startProvider();
  await runDoctor(optionsFor(provider.issuer));
  expect(provider.issued).toEqual([]);
  expect(provider.requests.map(({ path }) => path).sort()).toEqual([
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration",
    "/oauth2/authorize",
    "/oauth2/jwks",
    "/oauth2/token",
  ]);
});

describe("the options", () => {
  test("missing and invalid options are reported with advice, and the other groups are skipped", async () => {
    const { ok, find, verdicts } = await runDoctor({
      redirectUri: "https://app.example/back",
      httpTimeout: 1000,
    });
    expect(ok).toBe(false);
    expect(find("options.issuer")).toMatchObject({
      verdict: "failed",
      title: "PORTAL_ISSUER",
      found: "missing",
    });
    expect(find("options.issuer")?.advice).toMatch(/^write the provider's issuer/);
    expect(find("options.httpTimeout")).toMatchObject({ verdict: "failed", found: "1000 (in code)" });
    expect(verdicts["portal.options"]).toBe("skipped");
    expect(verdicts["store.options"]).toBe("skipped");
  });

  test("options come from the environment, and a misspelt variable is reported", async () => {
    const provider = await startProvider();
    const env = {
      PORTAL_ISSUER: provider.issuer,
      PORTAL_PROFILE: "tencent-ciam",
      PORTAL_CLIENT_ID: "app",
      PORTAL_CLIENT_SECRET: CLIENT_SECRET,
      PORTAL_REDIRECT_URI: REDIRECT,
      SESSION_SECRET: SECRET,
      PORTAL_CLIENTID: "app",
    };
    const { ok, find } = await runDoctor({}, { env });
    expect(ok).toBe(true);
    expect(find("options.clientSecret")?.found).toBe("set, 32 characters");
    expect(find("options.typo")?.advice).toMatch(/^PORTAL_CLIENTID is not a variable .*PORTAL_CLIENT_ID/);
  });

  test("an unknown option is reported", async () => {
    const { find } = await runDoctor({
      ...optionsFor("https://portal.example"),
      clientID: "app",
    } as PortalAuthOptions);
    expect(find("options.clientID")).toMatchObject({
      verdict: "failed",
      advice: "no such option: did you mean clientId?",
    });
  });

  test.each([
    "a".repeat(40),
    "this is my very secret password!!",
    "0123456789abcdef0123456789abcdef",
    "ababababababababababababababababab",
  ])("a secret that can be guessed is a warning: %j", async (secret) => {
    const { find } = await runDoctor(
      { ...optionsFor("https://portal.example"), secret },
      { skip: ["portal", "credentials"] },
    );
    expect(find("options.secret")).toMatchObject({
      verdict: "warning",
      advice: expect.stringContaining("openssl"),
    });
  });

  test.skipIf(process.platform === "win32")(
    "a secret's file that every user can read is a warning",
    async () => {
      const folder = await mkdtemp(join(tmpdir(), "doctor-"));
      onTestFinished(() => rm(folder, { recursive: true }));
      const file = join(folder, "secret");
      await writeFile(file, SECRET);
      const { secret: _, ...options } = optionsFor("https://portal.example");
      const verdictWith = async (mode: number) => {
        await chmod(file, mode);
        const env = { SESSION_SECRET_FILE: file };
        return (await runDoctor(options, { env, skip: ["portal", "credentials"] })).verdicts[
          "options.secret"
        ];
      };
      expect([await verdictWith(0o644), await verdictWith(0o600)]).toEqual(["warning", "ok"]);
    },
  );
});

describe("the provider", () => {
  test("an unreachable provider is reported with the reason, and dependent checks are skipped", async () => {
    const issuer = `http://127.0.0.1:${await freePort()}`;
    const { ok, find, verdicts } = await runDoctor(optionsFor(issuer));
    expect(ok).toBe(false);
    expect(find("portal.connection")).toMatchObject({ verdict: "failed", found: "ECONNREFUSED" });
    expect([verdicts["portal.keys"], verdicts["credentials.token"]]).toEqual(["skipped", "skipped"]);
  });

  test("an unknown host name is reported", async () => {
    const { find } = await runDoctor(optionsFor("https://no-such-host.invalid"));
    expect(find("portal.connection")?.found).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  test("a provider that accepts connections and does not respond is reported as a timeout", async () => {
    const issuer = await serve(() => {});
    const { find } = await runDoctor({ ...optionsFor(issuer), httpTimeout: 0.1 });
    expect(find("portal.discovery")).toMatchObject({ verdict: "failed", found: "portal_timeout" });
  });

  test.each([
    ["issuer_mismatch", json(200, { issuer: "http://127.0.0.1:1" })],
    ["discovery_invalid", html(200)],
    ["discovery_invalid", html(404)],
    ["portal_failed", html(503)],
  ])("an invalid discovery document is reported: %s", async (code, response) => {
    const provider = await startProvider();
    provider.answerNext("/.well-known/openid-configuration", response, 2);
    const { ok, find } = await runDoctor(optionsFor(provider.issuer));
    expect([ok, find("portal.discovery")?.found]).toEqual([false, code]);
  });

  test.each([
    ["http://127.0.0.1:1", "the document says http://127.0.0.1:1, PORTAL_ISSUER"],
    ["http://a:hunter2@127.0.0.1:1?x", "the document says something that is not an issuer, PORTAL_ISSUER"],
  ])(
    "the issuer of the document and PORTAL_ISSUER are reported if they differ: %j",
    async (issuer, expected) => {
      const provider = await startProvider();
      provider.answerNext("/.well-known/openid-configuration", json(200, { issuer }), 2);
      const { find } = await runDoctor(optionsFor(provider.issuer));
      expect(find("portal.discovery")?.advice).toContain(`[${expected}`);
      expect(find("portal.discovery")?.advice).toContain(`(option issuer) says ${provider.issuer}`);
    },
  );

  describe("over TLS", () => {
    async function runDoctorBehindTls(more: Partial<PortalAuthOptions> = {}) {
      const provider = await startProvider();
      const front = await startTlsFront(() => provider.issuer);
      onTestFinished(() => front.close());
      return runDoctor({ ...optionsFor(front.url), ...more });
    }

    test("an untrusted certificate is reported with NODE_EXTRA_CA_CERTS as advice", async () => {
      const { ok, find, verdicts } = await runDoctorBehindTls();
      expect(ok).toBe(false);
      expect(find("portal.certificate")).toMatchObject({ verdict: "failed" });
      expect(find("portal.certificate")?.found).toContain("DEPTH_ZERO_SELF_SIGNED_CERT");
      expect(find("portal.certificate")?.advice).toContain("NODE_EXTRA_CA_CERTS=");
      expect(verdicts["credentials.token"]).toBe("skipped");
    });

    test("a port without TLS is reported", async () => {
      const issuer = (await startProvider()).issuer.replace("http:", "https:");
      const { find } = await runDoctor(optionsFor(issuer));
      expect(find("portal.connection")?.advice).toMatch(/does not use TLS/);
    });
  });

  test("keys that cannot verify a signature are reported", async () => {
    const provider = await startProvider();
    provider.alterKeys(() => ({ keys: [{ kty: "oct", k: "AAAA" }] }));
    const { ok, find } = await runDoctor(optionsFor(provider.issuer));
    expect(ok).toBe(false);
    expect(find("portal.keys")).toMatchObject({
      verdict: "failed",
      found: expect.stringContaining("oct no kid is not for RS256"),
    });
  });

  test("an empty or invalid key set is reported", async () => {
    const provider = await startProvider();
    provider.alterKeys(() => ({ keys: [] }));
    expect((await runDoctor(optionsFor(provider.issuer))).find("portal.keys")?.found).toBe(
      "the set is empty",
    );
    provider.answerNext("/oauth2/jwks", html(200));
    expect((await runDoctor(optionsFor(provider.issuer))).find("portal.keys")?.found).toContain(
      "portal_answer_invalid",
    );
  });

  test("a short or unusable key beside a valid one is a warning", async () => {
    const provider = await startProvider();
    provider.alterKeys(({ keys }) => ({
      keys: [
        ...keys,
        { kty: "RSA", kid: "short", n: "AQAB", e: "AQAB" },
        { kty: "EC", kid: "odd" },
        { kty: "constructor", kid: "class" },
      ],
    }));
    const { ok, find } = await runDoctor(optionsFor(provider.issuer));
    expect(ok).toBe(true);
    expect(find("portal.keys")).toMatchObject({ verdict: "warning" });
    expect(find("portal.keys")?.found).toMatch(
      /RSA short has under 2048 bits; EC odd is not for RS256; constructor class is not for RS256/,
    );
  });

  test.each([
    [0, "ok"],
    [-20, "warning"],
    [20, "warning"],
    [40, "failed"],
    [-3600, "failed"],
  ])("a clock that is %i s ahead is reported as %s", async (seconds, verdict) => {
    const provider = await startProvider();
    const issuer = await serve(async (req, res) => {
      const response = await fetch(provider.issuer + req.url);
      const document = (await response.text()).replaceAll(provider.issuer, issuer);
      const date = new Date(Date.now() + seconds * 1000).toUTCString();
      res.writeHead(response.status, { "content-type": "application/json", date }).end(document);
    });
    const { verdicts, find } = await runDoctor(optionsFor(issuer), { skip: ["credentials"] });
    expect(verdicts["portal.clock"]).toBe(verdict);
    if (seconds !== 0) expect(find("portal.clock")?.found).toMatch(seconds > 0 ? /s ahead/ : /s behind/);
  });

  test("each announced feature that does not fit the options is a warning", async () => {
    const provider = await startProvider({ document: "full" });
    provider.alterDiscovery((document) => ({
      ...document,
      token_endpoint_auth_methods_supported: ["private_key_jwt"],
      grant_types_supported: ["authorization_code"],
      code_challenge_methods_supported: ["plain"],
      scopes_supported: ["openid"],
    }));
    const options = { ...optionsFor(provider.issuer), profile: "openid", scope: "openid email" } as const;
    const { ok, verdicts } = await runDoctor(options);
    expect(ok).toBe(true);
    for (const id of ["client_auth", "refresh", "pkce", "scope"])
      expect(verdicts[`portal.${id}`]).toBe("warning");
  });
});

describe("the response at the redirect URI", () => {
  async function checkResponseOf(listener: RequestListener) {
    const redirectUri = `${await serve(listener)}/callback`;
    return (await runDoctor({ ...optionsFor("https://portal.invalid"), redirectUri })).find(
      "redirect.answered",
    );
  }

  test("is ok if portalAuth() is mounted there", async () => {
    const app = express();
    app.use(portalAuth(optionsFor("https://portal.invalid")));
    expect(await checkResponseOf(app)).toMatchObject({ verdict: "ok" });
  });

  test("is a warning if portalAuth() is mounted elsewhere, or if another server responds", async () => {
    const app = express();
    app.use("/shop", portalAuth(optionsFor("https://portal.invalid")));
    expect(await checkResponseOf(app)).toMatchObject({ verdict: "warning", found: "status 404" });
    expect(await checkResponseOf((_req, res) => res.writeHead(204).end())).toMatchObject({
      verdict: "warning",
    });
  });

  test("is skipped if no server responds", async () => {
    const { find } = await runDoctor(optionsFor("https://portal.invalid"));
    expect(find("redirect.answered")).toMatchObject({ verdict: "skipped" });
    expect(find("redirect.answered")?.found).toMatch(/ECONNREFUSED.*does it run/);
  });

  test("is not requested if the callback route is turned off, which is a warning", async () => {
    const { find } = await runDoctor({
      ...optionsFor("https://portal.invalid"),
      routes: { callback: false },
    });
    expect(find("redirect.route")).toMatchObject({ verdict: "warning" });
    expect(find("redirect.answered")).toBeUndefined();
  });
});

test("texts of checks contain no control characters and no line breaks", async () => {
  const { checks } = await runDoctor({
    ...optionsFor("https://portal.invalid"),
    clientId: "\u001b[31ma\u009b2Jb\r\n✓ c",
  });
  expect(JSON.stringify(checks)).not.toMatch(/[\u007f-\u009f]|\\[rnu]/);
  expect(checks.find(({ id }) => id === "options.clientId")?.found).toMatch(/^ab ✓ c /);
});

describe("the credentials", () => {
  test("an unknown client id, which gets an empty 401, is reported", async () => {
    const provider = await startProvider();
    const { ok, find } = await runDoctor({ ...optionsFor(provider.issuer), clientId: "another" });
    expect(ok).toBe(false);
    expect(find("credentials.token")).toMatchObject({
      verdict: "failed",
      title: "the provider does not know the client id",
    });
    expect(find("credentials.authorize")).toMatchObject({ verdict: "failed" });
  });

  test.each<[string, number, Record<string, string>, string]>([
    ["RFC 6749", 401, { error: "invalid_client" }, "token answered 401 invalid_client"],
    ["Keycloak", 401, { error: "unauthorized_client" }, "token answered 401 unauthorized_client"],
    ["Auth0", 403, { error: "access_denied" }, "token answered 403 access_denied"],
    ["Glewlwyd", 403, {}, "token answered 403, application/json"],
    [
      "Microsoft Entra",
      401,
      {
        error: "invalid_client",
        error_description: "AADSTS7000222: The provided client secret keys are expired.",
      },
      'token answered 401 invalid_client: "AADSTS7000222: The provided client secret keys are expired."',
    ],
  ])(
    "a rejected client is reported with advice about id and secret (%s, status %i)",
    async (_provider, status, body, found) => {
      const provider = await startProvider({ document: "full" });
      provider.answerNext("/oauth2/token", json(status, body));
      const { ok, find } = await runDoctor(optionsFor(provider.issuer));
      expect(ok).toBe(false);
      expect(find("credentials.token")).toMatchObject({
        verdict: "failed",
        title: "the provider does not accept the client id and secret",
        found,
        advice: expect.stringMatching(/PORTAL_CLIENT_ID.*PORTAL_CLIENT_SECRET.*PORTAL_CLIENT_AUTH/),
      });
    },
  );

  test("a wrong client secret is reported", async () => {
    const provider = await startProvider();
    const { ok, find } = await runDoctor({ ...optionsFor(provider.issuer), clientSecret: "wrong" });
    expect([ok, find("credentials.token")?.verdict]).toEqual([false, "failed"]);
  });

  test.each([
    ["invalid_request, which proves nothing", json(400, { error: "invalid_request" }), "warning"],
    ["tokens", json(200, { access_token: "t", token_type: "bearer", id_token: "x" }), "failed"],
    ["an HTML page", html(200), "failed"],
    ["404", html(404), "failed"],
    ["500", html(500), "failed"],
    ["503", json(503, { error: "temporarily_unavailable" }), "failed"],
    ["unsupported_grant_type", json(400, { error: "unsupported_grant_type" }), "failed"],
    ["unauthorized_client", json(400, { error: "unauthorized_client" }), "failed"],
  ])("the token endpoint responds with %s", async (_response, response, verdict) => {
    const provider = await startProvider();
    provider.answerNext("/oauth2/token", response);
    const { ok, verdicts } = await runDoctor(optionsFor(provider.issuer));
    expect([ok, verdicts["credentials.token"]]).toEqual([verdict === "warning", verdict]);
  });

  test("an authorization endpoint that does not work is reported", async () => {
    const provider = await startProvider();
    provider.answerNext("/oauth2/authorize", html(500));
    const { ok, find } = await runDoctor(optionsFor(provider.issuer));
    expect([ok, find("credentials.authorize")?.title]).toEqual([
      false,
      "the authorization endpoint does not work",
    ]);
  });

  test("an authorization endpoint that responds with the login page is ok", async () => {
    const provider = await startProvider();
    provider.answerNext("/oauth2/authorize", html(200));
    expect((await runDoctor(optionsFor(provider.issuer))).verdicts["credentials.authorize"]).toBe("ok");
  });

  test("the advice for a client without a secret does not mention a secret", async () => {
    const provider = await startProvider({ clientAuth: "none" });
    const { clientSecret: _, ...options } = optionsFor(provider.issuer);
    const checkToken = async () =>
      (await runDoctor({ ...options, clientAuth: "none" })).find("credentials.token");
    expect(await checkToken()).toMatchObject({ verdict: "ok", title: "the provider accepts the client id" });
    provider.answerNext("/oauth2/token", json(401, { error: "invalid_client" }));
    expect(await checkToken()).toMatchObject({
      verdict: "failed",
      title: "the provider does not accept a client without a secret",
      advice: expect.stringContaining("register it as public"),
    });
  });

  test("a redirect URI that is not registered is reported", async () => {
    const provider = await startProvider({ redirectUris: ["http://127.0.0.1:3000/other"] });
    const { ok, find } = await runDoctor(optionsFor(provider.issuer));
    expect(ok).toBe(false);
    expect(find("credentials.authorize")).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining(REDIRECT),
    });
    expect(find("credentials.token")?.verdict).toBe("ok");
  });

  test.each([
    ["error=invalid_scope", "failed", "the provider rejects the request: invalid_scope"],
    ["error=login_required", "ok", "the provider accepts the redirect URI"],
    ["error=%1b[31m", "failed", "the provider rejects the request: ??31m"],
  ])("an immediate redirect back to the app with %s is reported as %s", async (query, verdict, title) => {
    const provider = await startProvider();
    provider.answerNext("/oauth2/authorize", (_req, res) =>
      res.writeHead(302, { location: `${REDIRECT}?${query}&state=s` }).end(),
    );
    const { find } = await runDoctor(optionsFor(provider.issuer));
    expect(find("credentials.authorize")).toMatchObject({ verdict, title });
    expect(find("credentials.authorize")?.found).toBe(`302 to ${REDIRECT}`);
  });
});

describe("redirect URI and cookies", () => {
  const skip = ["portal", "credentials", "store"] as const;

  test("localhost with the Tencent portal, and the provider's own origin, are warnings", async () => {
    const options = optionsFor("http://localhost:3000");
    const { verdicts } = await runDoctor(
      { ...options, redirectUri: "http://localhost:3000/callback" },
      { skip },
    );
    expect([verdicts["redirect.localhost"], verdicts["redirect.host"]]).toEqual(["warning", "warning"]);
  });

  test("over https all cookies have the prefix __Host- and Secure, and the proxy is checked", async () => {
    const options = { ...optionsFor("https://portal.example"), redirectUri: "https://app.example/callback" };
    const { find, verdicts } = await runDoctor({ ...options, name: "staff", sameSite: "strict" }, { skip });
    expect(verdicts["redirect.scheme"]).toBe("ok");
    expect(find("cookies.flags")?.found).toBe(
      "__Host-portal-session.staff (SameSite=Strict), __Host-portal-login.staff.… (SameSite=Lax); " +
        "HttpOnly, Secure, Path=/",
    );
    expect(find("cookies.proxy")?.advice).toContain("X-Forwarded-Proto: https");
    const app = express();
    expect((await runDoctor(options, { skip, app })).verdicts["cookies.proxy"]).toBe("warning");
    app.set("trust proxy", 1);
    expect((await runDoctor(options, { skip, app })).verdicts["cookies.proxy"]).toBe("ok");
    const without = await runDoctor({ ...options, tlsTerminated: true }, { skip, app: express() });
    expect(without.find("cookies.proxy")).toMatchObject({
      verdict: "ok",
      found: "PORTAL_TLS_TERMINATED is on: every request counts as https",
    });
  });
});

describe("the session store", () => {
  const skip = ["portal", "credentials"] as const;
  const optionsWith = (more: PortalAuthOptions) => ({ ...optionsFor("https://portal.example"), ...more });

  test("sessions in memory are a warning", async () => {
    const { ok, find } = await runDoctor(optionsFor("https://portal.example"), { skip });
    expect([ok, find("store.kind")?.verdict]).toEqual([true, "warning"]);
  });

  test.each([
    ["an adapter", createMinimalRecords],
    ["a store of createStore()", () => createStore("memory:")],
  ])("a store of the app is checked: %s", async (_store, create) => {
    const { ok, verdicts } = await runDoctor(optionsWith({ store: create() }), { skip });
    expect(ok).toBe(true);
    expect(verdicts).toMatchObject({
      "store.reach": "ok",
      "store.shared": "ok",
      "store.atomic": "ok",
      "store.lists": "ok",
      "store.restart": "skipped",
    });
  });

  test("the checks leave no entry in a store of the app", async () => {
    const store = createMemoryStore();
    const calls = (["create", "replace"] as const).map((method) => vi.spyOn(store, method));
    await runDoctor(optionsWith({ store }), { skip });
    const names = calls.flatMap(({ mock }) => mock.calls.map(([name]) => name));
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(await store.read(name)).toBeUndefined();
  });

  const broken: [fault: string, change: (records: RecordStore) => Partial<RecordStore>, id: string][] = [
    ["fails", () => ({ create: () => Promise.reject(new Error("disk full")) }), "store.reach"],
    ["saves nothing", () => ({ read: async () => undefined }), "store.shared"],
    ["does not extend a record", () => ({ touch: async () => false }), "store.shared"],
    ["creates a record twice", () => ({ create: async () => true }), "store.shared"],
    [
      "does not compare versions",
      (records) => ({
        async replace(key, _version, text) {
          while (!(await records.replace(key, (await records.read(key))?.version ?? 0, text)));
          return true;
        },
      }),
      "store.atomic",
    ],
    [
      "does not say that a record exists",
      (records) => ({ create: (key, text, lifeMs) => records.create(key, text, lifeMs).then(() => true) }),
      "store.atomic",
    ],
    ["lists nothing", ({ index }) => ({ index: { ...index, list: async () => [] } }), "store.lists"],
    [
      "removes no name from a list",
      ({ index }) => ({ index: { ...index, remove: async () => {} } }),
      "store.lists",
    ],
  ];

  test.each(broken)("a store of the app that %s is reported", async (_fault, change, id) => {
    const records = createMinimalRecords();
    const { ok, find } = await runDoctor(optionsWith({ store: { ...records, ...change(records) } }), {
      skip,
    });
    expect([ok, find(id)?.verdict]).toEqual([false, "failed"]);
    expect(find(id)?.advice).toContain("option store");
  });

  test.each([
    ["redis", "ECONNREFUSED"],
    ["postgres", "ECONNREFUSED"],
  ])("an unreachable %s server is reported", async (scheme, reason) => {
    const store = `${scheme}://app:${SECRET}@127.0.0.1:${await freePort()}/0`;
    const { ok, find } = await runDoctor(optionsWith({ store }), { skip });
    expect(ok).toBe(false);
    expect(find("store.reach")).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining("SESSION_STORE_URL"),
    });
    expect(find("store.reach")?.found).toBe(`${reason}, no server listens at that host and port`);
  });

  describeWithRedis("on Redis", (redis) => {
    test("a working store passes each check, and no entry is left in it", async () => {
      const { ok, verdicts, find } = await runDoctor(optionsWith({ store: redis().url }), { skip });
      expect(ok).toBe(true);
      expect(verdicts).toMatchObject({
        "store.reach": "ok",
        "store.shared": "ok",
        "store.atomic": "ok",
        "store.lists": "ok",
        "store.restart": "warning",
      });
      expect(find("store.restart")?.found).toBe("Redis writes nothing to disk");
      const { createClient } = await import("redis");
      const client = await createClient({ url: redis().url }).connect();
      onTestFinished(() => client.destroy());
      expect(await client.keys("*")).toEqual([]);
      await client.configSet("maxmemory-policy", "volatile-lru");
      onTestFinished(async () => void (await client.configSet("maxmemory-policy", "noeviction")));
      const again = await runDoctor(optionsWith({ store: redis().url }), { skip });
      expect(again.ok).toBe(true);
      expect(again.find("store.restart")?.found).toBe("Redis writes nothing to disk");
      expect(again.find("store.eviction")).toMatchObject({
        verdict: "warning",
        found: "maxmemory-policy is volatile-lru",
        advice: expect.stringContaining("noeviction"),
      });
    });

    test("a user with only the documented commands passes, and the durability check is skipped", async () => {
      const { createClient } = await import("redis");
      const client = await createClient({ url: redis().url }).connect();
      const text = await readFile(new URL("../../lib/store/README.md", import.meta.url), "utf8");
      const [, documented = ""] = /^## Redis\n(.*?)^The doctor/ms.exec(text) ?? [];
      const commands = documented.match(/(?<=[` ])\+\w+/g) ?? [];
      expect(commands).toContain("+evalsha");
      await client.sendCommand([
        "ACL",
        "SETUSER",
        "app",
        "on",
        `>${SECRET}`,
        "~portal:*",
        "-@all",
        ...commands,
      ]);
      onTestFinished(async () => {
        await client.sendCommand(["ACL", "DELUSER", "app"]);
        client.destroy();
      });
      const store = redis().url.replace("redis://", `redis://app:${SECRET}@`);
      const { ok, find } = await runDoctor(optionsWith({ store }), { skip });
      expect([ok, find("store.restart")?.verdict]).toEqual([true, "skipped"]);
    });

    test("a missing password is reported", async () => {
      const { createClient } = await import("redis");
      const client = await createClient({ url: redis().url }).connect();
      await client.configSet("requirepass", SECRET);
      onTestFinished(async () => {
        await client.configSet("requirepass", "");
        client.destroy();
      });
      const { ok, find } = await runDoctor(optionsWith({ store: redis().url }), { skip });
      expect([ok, find("store.reach")?.verdict]).toEqual([false, "failed"]);
      expect(find("store.reach")?.found).toBe("NOAUTH, it requires a password");
    });
  });

  describeWithRedis(
    "on a Redis that writes to disk",
    (redis) => {
      test("logins survive a restart", async () => {
        const { verdicts } = await runDoctor(optionsWith({ store: redis().url }), { skip });
        expect(verdicts["store.restart"]).toBe("ok");
      });
    },
    { keep: true },
  );

  describeWithPostgres("on PostgreSQL", (postgres) => {
    async function connect() {
      const client = new pg.Client({ connectionString: postgres().url });
      await client.connect();
      onTestFinished(() => client.end());
      return client;
    }

    test("missing tables are not created; they fail the check of a user who cannot create them", async () => {
      const client = await connect();
      const { ok, verdicts } = await runDoctor(optionsWith({ store: postgres().url }), { skip });
      expect([ok, verdicts["store.reach"], verdicts["store.table"]]).toEqual([true, "ok", "warning"]);
      expect((await client.query(`SELECT to_regclass('portal_session') AS found`)).rows).toEqual([
        { found: null },
      ]);
      await client.query("CREATE ROLE limited LOGIN");
      onTestFinished(async () => void (await client.query("DROP ROLE limited")));
      const limited = new URL(postgres().url);
      limited.username = "limited";
      const other = await runDoctor(optionsWith({ store: limited.href }), { skip });
      expect([other.ok, other.find("store.table")?.found]).toEqual([
        false,
        "the table portal_session or portal_session_index is missing, and this user may not create it",
      ]);
    });

    test("a working store passes each check, and no entry is left in it", async () => {
      const { opened, close } = openStore(postgres().url, { warn: () => {} });
      await opened; // creates the table, as at the start-up of an app
      await close();
      const { ok, verdicts } = await runDoctor(optionsWith({ store: postgres().url }), { skip });
      expect(ok).toBe(true);
      expect(verdicts).toMatchObject({
        "store.reach": "ok",
        "store.shared": "ok",
        "store.atomic": "ok",
        "store.lists": "ok",
        "store.restart": "ok",
      });
      const client = await connect();
      expect((await client.query("SELECT * FROM portal_session")).rows).toEqual([]);
      await client.query("ALTER TABLE portal_session SET UNLOGGED");
      expect(
        (await runDoctor(optionsWith({ store: postgres().url }), { skip })).find("store.restart")?.found,
      ).toMatch(/UNLOGGED/);
    });

    test("a database that does not exist is reported", async () => {
      const { ok, find } = await runDoctor(optionsWith({ store: `${postgres().url}nothing` }), { skip });
      expect(ok).toBe(false);
      expect(find("store.reach")?.found).toMatch(/3D000/);
    });
  });
});

test("omits the groups in skip, for a readiness route", async () => {
  const provider = await startProvider();
  const { checks } = await runDoctor(optionsFor(provider.issuer), {
    skip: ["credentials", "redirect", "cookies", "options"],
  });
  expect(new Set(checks.map(({ group }) => group))).toEqual(new Set(["portal", "store"]));
  expect(provider.requests.map(({ path }) => path)).not.toContain("/oauth2/token");
});
