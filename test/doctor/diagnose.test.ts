import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
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
import { describeWithPostgres, describeWithRedis } from "../support/servers/describe.js";
import { freePort } from "../support/servers/free-port.mjs";
import { startTlsFront } from "../support/tls-front.js";
import { close, listen } from "../support/world.js";

const CLIENT_SECRET = randomBytes(24).toString("base64url");
const SECRET = randomBytes(32).toString("base64url");
const REDIRECT = `http://127.0.0.1:${await freePort()}/callback`;

async function startPortalFor(more: Partial<LocalProviderOptions> = {}) {
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

/** Each diagnosis is looked through for what must not stand in it. */
async function look(options: PortalAuthOptions, more: DiagnoseOptions = {}) {
  const { ok, checks } = await diagnose(options, { env: {}, ...more });
  const all = JSON.stringify(checks);
  for (const secret of [CLIENT_SECRET, SECRET]) expect(all).not.toContain(secret);
  const find = (id: string): Check | undefined => checks.find((check) => check.id === id);
  const verdicts = Object.fromEntries(checks.map(({ id, verdict }) => [id, verdict]));
  return { ok, checks, find, verdicts, failed: checks.filter(({ verdict }) => verdict === "failed") };
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => close(server));
  return listen(server);
}

test("where all is well a login can work, and nothing has failed", async () => {
  const provider = await startPortalFor();
  const { ok, verdicts, find } = await look(optionsFor(provider.issuer));
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
    `redirect address ${REDIRECT}, after a logout ${new URL("/", REDIRECT)}`,
  );
});

test("a group that does not exist cannot be left out", async () => {
  await expect(look({}, { skip: ["credential" as "credentials"] })).rejects.toThrow(
    "diagnose: there is no group credential; there are options, portal, credentials",
  );
});

test("nothing is changed at the portal: no token is given, and a login under way goes on", async () => {
  const provider = await startPortalFor();
  await look(optionsFor(provider.issuer));
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
  test("are told one by one, missing and wrong ones with what to write; the rest is not looked at yet", async () => {
    const { ok, find, verdicts } = await look({ redirectUri: "https://app.example/back", httpTimeout: 1000 });
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

  test("come from the environment as the app's do; a name that is none is told", async () => {
    const provider = await startPortalFor();
    const env = {
      PORTAL_ISSUER: provider.issuer,
      PORTAL_PROFILE: "tencent-ciam",
      PORTAL_CLIENT_ID: "app",
      PORTAL_CLIENT_SECRET: CLIENT_SECRET,
      PORTAL_REDIRECT_URI: REDIRECT,
      SESSION_SECRET: SECRET,
      PORTAL_CLIENTID: "app",
    };
    const { ok, find } = await look({}, { env });
    expect(ok).toBe(true);
    expect(find("options.clientSecret")?.found).toBe("set, 32 characters");
    expect(find("options.typo")?.advice).toMatch(/^PORTAL_CLIENTID is not a variable .*PORTAL_CLIENT_ID/);
  });

  test("an option that does not exist is told", async () => {
    const { find } = await look({
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
  ])("a secret that can be guessed is told: %j", async (secret) => {
    const { find } = await look(
      { ...optionsFor("https://portal.example"), secret },
      { skip: ["portal", "credentials"] },
    );
    expect(find("options.secret")).toMatchObject({
      verdict: "warning",
      advice: expect.stringContaining("openssl"),
    });
  });

  test.skipIf(process.platform === "win32")("a secret's file that everybody can read is told", async () => {
    const folder = await mkdtemp(join(tmpdir(), "doctor-"));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, "secret");
    await writeFile(file, SECRET);
    const { secret: _, ...options } = optionsFor("https://portal.example");
    const verdictWith = async (mode: number) => {
      await chmod(file, mode);
      const env = { SESSION_SECRET_FILE: file };
      return (await look(options, { env, skip: ["portal", "credentials"] })).verdicts["options.secret"];
    };
    expect([await verdictWith(0o644), await verdictWith(0o600)]).toEqual(["warning", "ok"]);
  });
});

describe("the portal", () => {
  test("that nobody answers for is told by the reason, and what needs it is not looked at", async () => {
    const issuer = `http://127.0.0.1:${await freePort()}`;
    const { ok, find, verdicts } = await look(optionsFor(issuer));
    expect(ok).toBe(false);
    expect(find("portal.connection")).toMatchObject({ verdict: "failed", found: "ECONNREFUSED" });
    expect([verdicts["portal.keys"], verdicts["credentials.token"]]).toEqual(["skipped", "skipped"]);
  });

  test("whose name does not exist", async () => {
    const { find } = await look(optionsFor("https://no-such-host.invalid"));
    expect(find("portal.connection")?.found).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  test("that takes connections and says nothing", async () => {
    const issuer = await serve(() => {});
    const { find } = await look({ ...optionsFor(issuer), httpTimeout: 0.1 });
    expect(find("portal.discovery")).toMatchObject({ verdict: "failed", found: "portal_timeout" });
  });

  test.each([
    ["issuer_mismatch", json(200, { issuer: "http://127.0.0.1:1" })],
    ["discovery_invalid", html(200)],
    ["discovery_invalid", html(404)],
    ["portal_failed", html(503)],
  ])("whose document is of no use: %s", async (code, answer) => {
    const provider = await startPortalFor();
    provider.answerNext("/.well-known/openid-configuration", answer, 2);
    const { ok, find } = await look(optionsFor(provider.issuer));
    expect([ok, find("portal.discovery")?.found]).toEqual([false, code]);
  });

  test.each([
    ["http://127.0.0.1:1", "the document says http://127.0.0.1:1, PORTAL_ISSUER"],
    ["http://a:hunter2@127.0.0.1:1?x", "the document says something that is not an issuer, PORTAL_ISSUER"],
  ])("whose document names another issuer is told with both: %j", async (issuer, told) => {
    const provider = await startPortalFor();
    provider.answerNext("/.well-known/openid-configuration", json(200, { issuer }), 2);
    const { find } = await look(optionsFor(provider.issuer));
    expect(find("portal.discovery")?.advice).toContain(`[${told}`);
    expect(find("portal.discovery")?.advice).toContain(`(option issuer) says ${provider.issuer}`);
  });

  describe("over TLS", () => {
    async function behindTls(more: Partial<PortalAuthOptions> = {}) {
      const provider = await startPortalFor();
      const front = await startTlsFront(() => provider.issuer);
      onTestFinished(() => front.close());
      return look({ ...optionsFor(front.url), ...more });
    }

    test("with a certificate of nobody known is told, with NODE_EXTRA_CA_CERTS", async () => {
      const { ok, find, verdicts } = await behindTls();
      expect(ok).toBe(false);
      expect(find("portal.certificate")).toMatchObject({ verdict: "failed" });
      expect(find("portal.certificate")?.found).toContain("DEPTH_ZERO_SELF_SIGNED_CERT");
      expect(find("portal.certificate")?.advice).toContain("NODE_EXTRA_CA_CERTS=");
      expect(verdicts["credentials.token"]).toBe("skipped");
    });

    test("that speaks none at that port is told", async () => {
      const issuer = (await startPortalFor()).issuer.replace("http:", "https:");
      const { find } = await look(optionsFor(issuer));
      expect(find("portal.connection")?.advice).toMatch(/speaks no TLS/);
    });
  });

  test("whose keys cannot check a signature", async () => {
    const provider = await startPortalFor();
    provider.alterKeys(() => ({ keys: [{ kty: "oct", k: "AAAA" }] }));
    const { ok, find } = await look(optionsFor(provider.issuer));
    expect(ok).toBe(false);
    expect(find("portal.keys")).toMatchObject({
      verdict: "failed",
      found: expect.stringContaining("oct no kid is not for RS256"),
    });
  });

  test("whose key set is empty, or no key set", async () => {
    const provider = await startPortalFor();
    provider.alterKeys(() => ({ keys: [] }));
    expect((await look(optionsFor(provider.issuer))).find("portal.keys")?.found).toBe("the set is empty");
    provider.answerNext("/oauth2/jwks", html(200));
    expect((await look(optionsFor(provider.issuer))).find("portal.keys")?.found).toContain(
      "portal_answer_invalid",
    );
  });

  test("with a key that is too short, or unreadable, beside a good one", async () => {
    const provider = await startPortalFor();
    provider.alterKeys(({ keys }) => ({
      keys: [
        ...keys,
        { kty: "RSA", kid: "short", n: "AQAB", e: "AQAB" },
        { kty: "EC", kid: "odd" },
        { kty: "constructor", kid: "class" },
      ],
    }));
    const { ok, find } = await look(optionsFor(provider.issuer));
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
  ])("whose clock is %i s ahead: %s", async (seconds, verdict) => {
    const provider = await startPortalFor();
    const issuer = await serve(async (req, res) => {
      const answer = await fetch(provider.issuer + req.url);
      const document = (await answer.text()).replaceAll(provider.issuer, issuer);
      const date = new Date(Date.now() + seconds * 1000).toUTCString();
      res.writeHead(answer.status, { "content-type": "application/json", date }).end(document);
    });
    const { verdicts, find } = await look(optionsFor(issuer), { skip: ["credentials"] });
    expect(verdicts["portal.clock"]).toBe(verdict);
    if (seconds !== 0) expect(find("portal.clock")?.found).toMatch(seconds > 0 ? /s ahead/ : /s behind/);
  });

  test("that announces what does not fit is a warning for each", async () => {
    const provider = await startPortalFor({ document: "full" });
    provider.alterDiscovery((document) => ({
      ...document,
      token_endpoint_auth_methods_supported: ["private_key_jwt"],
      grant_types_supported: ["authorization_code"],
      code_challenge_methods_supported: ["plain"],
      scopes_supported: ["openid"],
    }));
    const options = { ...optionsFor(provider.issuer), profile: "openid", scope: "openid email" } as const;
    const { ok, verdicts } = await look(options);
    expect(ok).toBe(true);
    for (const id of ["client_auth", "refresh", "pkce", "scope"])
      expect(verdicts[`portal.${id}`]).toBe("warning");
  });
});

describe("where the portal leads people", () => {
  async function answeredBy(listener: RequestListener) {
    const redirectUri = `${await serve(listener)}/callback`;
    return (await look({ ...optionsFor("https://portal.invalid"), redirectUri })).find("redirect.answered");
  }

  test("an app answers whose portalAuth() is mounted there", async () => {
    const app = express();
    app.use(portalAuth(optionsFor("https://portal.invalid")));
    expect(await answeredBy(app)).toMatchObject({ verdict: "ok" });
  });

  test("something else answers, or one that is mounted elsewhere", async () => {
    const app = express();
    app.use("/shop", portalAuth(optionsFor("https://portal.invalid")));
    expect(await answeredBy(app)).toMatchObject({ verdict: "warning", found: "status 404" });
    expect(await answeredBy((_req, res) => res.writeHead(204).end())).toMatchObject({ verdict: "warning" });
  });

  test("nobody answers now", async () => {
    const { find } = await look(optionsFor("https://portal.invalid"));
    expect(find("redirect.answered")).toMatchObject({ verdict: "skipped" });
    expect(find("redirect.answered")?.found).toMatch(/ECONNREFUSED.*does it run/);
  });

  test("a route that is turned off is a warning, and nobody is asked", async () => {
    const { find } = await look({ ...optionsFor("https://portal.invalid"), routes: { callback: false } });
    expect(find("redirect.route")).toMatchObject({ verdict: "warning" });
    expect(find("redirect.answered")).toBeUndefined();
  });
});

test("what is shown brings no control characters along, nor lines of its own", async () => {
  const { checks } = await look({
    ...optionsFor("https://portal.invalid"),
    clientId: "\u001b[31ma\u009b2Jb\r\n✓ c",
  });
  expect(JSON.stringify(checks)).not.toMatch(/[\u007f-\u009f]|\\[rnu]/);
  expect(checks.find(({ id }) => id === "options.clientId")?.found).toMatch(/^ab ✓ c /);
});

describe("the credentials", () => {
  test("a client id that the portal does not know: the empty 401", async () => {
    const provider = await startPortalFor();
    const { ok, find } = await look({ ...optionsFor(provider.issuer), clientId: "another" });
    expect(ok).toBe(false);
    expect(find("credentials.token")).toMatchObject({
      verdict: "failed",
      title: "the portal does not know the client id",
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
    "a client that is refused, as %s does it (%i), is told with the id and the secret",
    async (_who, status, body, found) => {
      const provider = await startPortalFor({ document: "full" });
      provider.answerNext("/oauth2/token", json(status, body));
      const { ok, find } = await look(optionsFor(provider.issuer));
      expect(ok).toBe(false);
      expect(find("credentials.token")).toMatchObject({
        verdict: "failed",
        title: "the portal does not take the client id and secret",
        found,
        advice: expect.stringMatching(/PORTAL_CLIENT_ID.*PORTAL_CLIENT_SECRET.*PORTAL_CLIENT_AUTH/),
      });
    },
  );

  test("a really wrong client secret is seen by what the portal answers", async () => {
    const provider = await startPortalFor();
    const { ok, find } = await look({ ...optionsFor(provider.issuer), clientSecret: "wrong" });
    expect([ok, find("credentials.token")?.verdict]).toEqual([false, "failed"]);
  });

  test.each([
    ["an error that says nothing", json(400, { error: "invalid_request" }), "warning"],
    [
      "tokens, of all things",
      json(200, { access_token: "t", token_type: "bearer", id_token: "x" }),
      "failed",
    ],
    ["a page", html(200), "failed"],
    ["a page that is not there", html(404), "failed"],
    ["500", html(500), "failed"],
    ["503", json(503, { error: "temporarily_unavailable" }), "failed"],
    ["unsupported_grant_type", json(400, { error: "unsupported_grant_type" }), "failed"],
    ["unauthorized_client", json(400, { error: "unauthorized_client" }), "failed"],
  ])("%s", async (_what, answer, verdict) => {
    const provider = await startPortalFor();
    provider.answerNext("/oauth2/token", answer);
    const { ok, verdicts } = await look(optionsFor(provider.issuer));
    expect([ok, verdicts["credentials.token"]]).toEqual([verdict === "warning", verdict]);
  });

  test("an authorization endpoint that does not work", async () => {
    const provider = await startPortalFor();
    provider.answerNext("/oauth2/authorize", html(500));
    const { ok, find } = await look(optionsFor(provider.issuer));
    expect([ok, find("credentials.authorize")?.title]).toEqual([
      false,
      "the authorization endpoint does not work",
    ]);
  });

  test("an authorization endpoint that shows its login page at once", async () => {
    const provider = await startPortalFor();
    provider.answerNext("/oauth2/authorize", html(200));
    expect((await look(optionsFor(provider.issuer))).verdicts["credentials.authorize"]).toBe("ok");
  });

  test("of a client without a secret no secret is spoken of", async () => {
    const provider = await startPortalFor({ clientAuth: "none" });
    const { clientSecret: _, ...options } = optionsFor(provider.issuer);
    const title = async () => (await look({ ...options, clientAuth: "none" })).find("credentials.token");
    expect(await title()).toMatchObject({ verdict: "ok", title: "the portal takes the client id" });
    provider.answerNext("/oauth2/token", json(401, { error: "invalid_client" }));
    expect(await title()).toMatchObject({
      verdict: "failed",
      title: "the portal does not take a client without a secret",
      advice: expect.stringContaining("register it as public"),
    });
  });

  test("a redirect address that is not registered", async () => {
    const provider = await startPortalFor({ redirectUris: ["http://127.0.0.1:3000/other"] });
    const { ok, find } = await look(optionsFor(provider.issuer));
    expect(ok).toBe(false);
    expect(find("credentials.authorize")).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining(REDIRECT),
    });
    expect(find("credentials.token")?.verdict).toBe("ok");
  });

  test.each([
    ["error=invalid_scope", "failed", "the portal refuses the request: invalid_scope"],
    ["error=login_required", "ok", "the portal takes the redirect address"],
    ["error=%1b[31m", "failed", "the portal refuses the request: ??31m"],
  ])("a portal that sends back at once with %s", async (query, verdict, title) => {
    const provider = await startPortalFor();
    provider.answerNext("/oauth2/authorize", (_req, res) =>
      res.writeHead(302, { location: `${REDIRECT}?${query}&state=s` }).end(),
    );
    const { find } = await look(optionsFor(provider.issuer));
    expect(find("credentials.authorize")).toMatchObject({ verdict, title });
    expect(find("credentials.authorize")?.found).toBe(`302 to ${REDIRECT}`);
  });
});

describe("redirect address and cookies", () => {
  const skip = ["portal", "credentials", "store"] as const;

  test("localhost is told to who uses the portal, and the portal's own address to everybody", async () => {
    const options = optionsFor("http://localhost:3000");
    const { verdicts } = await look({ ...options, redirectUri: "http://localhost:3000/callback" }, { skip });
    expect([verdicts["redirect.localhost"], verdicts["redirect.host"]]).toEqual(["warning", "warning"]);
  });

  test("over https all cookies are __Host- and Secure, and the proxy is asked about", async () => {
    const options = { ...optionsFor("https://portal.example"), redirectUri: "https://app.example/callback" };
    const { find, verdicts } = await look({ ...options, name: "staff", sameSite: "strict" }, { skip });
    expect(verdicts["redirect.scheme"]).toBe("ok");
    expect(find("cookies.flags")?.found).toBe(
      "__Host-portal-session.staff (SameSite=Strict), __Host-portal-login.staff.… (SameSite=Lax); HttpOnly, Secure, Path=/",
    );
    expect(find("cookies.proxy")?.advice).toContain("X-Forwarded-Proto: https");
    const app = express();
    expect((await look(options, { skip, app })).verdicts["cookies.proxy"]).toBe("warning");
    app.set("trust proxy", 1);
    expect((await look(options, { skip, app })).verdicts["cookies.proxy"]).toBe("ok");
    const without = await look({ ...options, tlsTerminated: true }, { skip, app: express() });
    expect(without.find("cookies.proxy")).toMatchObject({
      verdict: "ok",
      found: "PORTAL_TLS_TERMINATED is on: every request counts as https",
    });
  });
});

describe("the session store", () => {
  const skip = ["portal", "credentials"] as const;
  const optionsWith = (more: PortalAuthOptions) => ({ ...optionsFor("https://portal.example"), ...more });

  test("in memory is a warning", async () => {
    const { ok, find } = await look(optionsFor("https://portal.example"), { skip });
    expect([ok, find("store.kind")?.verdict]).toEqual([true, "warning"]);
  });

  test.each([
    ["an adapter of the app's", createMinimalRecords],
    ["a store of createStore()", () => createStore("memory:")],
  ])("of the app's own is tried: %s", async (_what, create) => {
    const { ok, verdicts } = await look(optionsWith({ store: create() }), { skip });
    expect(ok).toBe(true);
    expect(verdicts).toMatchObject({
      "store.reach": "ok",
      "store.shared": "ok",
      "store.atomic": "ok",
      "store.lists": "ok",
      "store.restart": "skipped",
    });
  });

  test("of the app's own is left as it was", async () => {
    const store = createMemoryStore();
    const calls = (["create", "replace"] as const).map((method) => vi.spyOn(store, method));
    await look(optionsWith({ store }), { skip });
    const names = calls.flatMap(({ mock }) => mock.calls.map(([name]) => name));
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(await store.read(name)).toBeUndefined();
  });

  const broken: [what: string, change: (records: RecordStore) => Partial<RecordStore>, id: string][] = [
    ["fails", () => ({ create: () => Promise.reject(new Error("disk full")) }), "store.reach"],
    ["keeps nothing", () => ({ read: async () => undefined }), "store.shared"],
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

  test.each(broken)("of the app's own that %s", async (_what, change, id) => {
    const records = createMinimalRecords();
    const { ok, find } = await look(optionsWith({ store: { ...records, ...change(records) } }), { skip });
    expect([ok, find(id)?.verdict]).toEqual([false, "failed"]);
    expect(find(id)?.advice).toContain("option store");
  });

  test.each([
    ["redis", "ECONNREFUSED"],
    ["postgres", "ECONNREFUSED"],
  ])("on a %s that is down", async (scheme, reason) => {
    const store = `${scheme}://someone:${SECRET}@127.0.0.1:${await freePort()}/0`;
    const { ok, find } = await look(optionsWith({ store }), { skip });
    expect(ok).toBe(false);
    expect(find("store.reach")).toMatchObject({
      verdict: "failed",
      advice: expect.stringContaining("SESSION_STORE_URL"),
    });
    expect(find("store.reach")?.found).toBe(`${reason}, no server listens at that host and port`);
  });

  describeWithRedis("on Redis", (redis) => {
    test("is written, read by another connection, and changed by both with nothing lost; nothing is left", async () => {
      const { ok, verdicts, find } = await look(optionsWith({ store: redis().url }), { skip });
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
      const again = await look(optionsWith({ store: redis().url }), { skip });
      expect(again.ok).toBe(true);
      expect(again.find("store.restart")?.found).toBe("Redis writes nothing to disk");
      expect(again.find("store.eviction")).toMatchObject({
        verdict: "warning",
        found: "maxmemory-policy is volatile-lru",
        advice: expect.stringContaining("noeviction"),
      });
    });

    test("whose user may run only the documented commands is used, and its settings are not known", async () => {
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
      const { ok, find } = await look(optionsWith({ store }), { skip });
      expect([ok, find("store.restart")?.verdict]).toEqual([true, "skipped"]);
    });

    test("that wants a password", async () => {
      const { createClient } = await import("redis");
      const client = await createClient({ url: redis().url }).connect();
      await client.configSet("requirepass", SECRET);
      onTestFinished(async () => {
        await client.configSet("requirepass", "");
        client.destroy();
      });
      const { ok, find } = await look(optionsWith({ store: redis().url }), { skip });
      expect([ok, find("store.reach")?.verdict]).toEqual([false, "failed"]);
      expect(find("store.reach")?.found).toBe("NOAUTH, it requires a password");
    });
  });

  describeWithRedis(
    "on a Redis that keeps what it is told",
    (redis) => {
      test("outlives a restart", async () => {
        const { verdicts } = await look(optionsWith({ store: redis().url }), { skip });
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

    test("without its table is told, and makes none; a user who may not is told that no login can work", async () => {
      const client = await connect();
      const { ok, verdicts } = await look(optionsWith({ store: postgres().url }), { skip });
      expect([ok, verdicts["store.reach"], verdicts["store.table"]]).toEqual([true, "ok", "warning"]);
      expect((await client.query(`SELECT to_regclass('portal_session') AS made`)).rows).toEqual([
        { made: null },
      ]);
      await client.query("CREATE ROLE visitor LOGIN");
      onTestFinished(async () => void (await client.query("DROP ROLE visitor")));
      const visitors = new URL(postgres().url);
      visitors.username = "visitor";
      const other = await look(optionsWith({ store: visitors.href }), { skip });
      expect([other.ok, other.find("store.table")?.found]).toEqual([
        false,
        "the table portal_session or portal_session_index is missing, and this user may not create it",
      ]);
    });

    test("is written, read by another connection, and changed by both with nothing lost; nothing is left", async () => {
      const { opened, close } = openStore(postgres().url, { warn: () => {} });
      await opened; // as an app does when it starts: with the table
      await close();
      const { ok, verdicts } = await look(optionsWith({ store: postgres().url }), { skip });
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
        (await look(optionsWith({ store: postgres().url }), { skip })).find("store.restart")?.found,
      ).toMatch(/UNLOGGED/);
    });

    test("in a database that is not there", async () => {
      const { ok, find } = await look(optionsWith({ store: `${postgres().url}nothing` }), { skip });
      expect(ok).toBe(false);
      expect(find("store.reach")?.found).toMatch(/3D000/);
    });
  });
});

test("groups can be left out, for a readiness route", async () => {
  const provider = await startPortalFor();
  const { checks } = await look(optionsFor(provider.issuer), {
    skip: ["credentials", "redirect", "cookies", "options"],
  });
  expect(new Set(checks.map(({ group }) => group))).toEqual(new Set(["portal", "store"]));
  expect(provider.requests.map(({ path }) => path)).not.toContain("/oauth2/token");
});
