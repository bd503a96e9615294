import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { diagnose, type PortalAuthOptions } from "../../lib/index.js";
import {
  resolveIdTokenAlgorithms,
  resolveUserInfoAlgorithms,
} from "../../lib/provider/id-token-algorithms.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { logIn } from "../access/signed-in-request.js";
import { CLIENT_ID, CLIENT_SECRET, SESSION_SECRET, startWorld, type WorldOptions } from "../support/world.js";

test.each<[unknown, string[]]>([
  [undefined, ["RS256"]],
  ["RS256", ["RS256"]],
  [[], ["RS256"]],
  [["RS256"], ["RS256"]],
  [["ES256", "RS256", "none"], ["RS256"]],
  [["ES256"], ["ES256"]],
  [
    ["PS256", "HS256", "none", "EdDSA"],
    ["PS256", "EdDSA"],
  ],
  [["HS256"], []],
  [["none"], []],
  [[null, 7, {}], []],
])("if the provider announces %j, ID tokens may be signed with %j", (announced, algorithms) => {
  expect(resolveIdTokenAlgorithms(undefined, announced)).toEqual(algorithms);
  expect(resolveIdTokenAlgorithms("ES384", announced)).toEqual(["ES384"]);
});

test.each<[unknown, string[]]>([
  [undefined, ["RS256"]],
  [
    ["ES256", "none", "HS256"],
    ["RS256", "ES256"],
  ],
  ["ES256", ["RS256"]],
])(
  "if the provider announces %j for userinfo, its answers may be signed with %j",
  (announced, algorithms) => {
    expect(resolveUserInfoAlgorithms(["RS256"], announced)).toEqual(algorithms);
  },
);

/** A provider that announces several algorithms and signs with ES256. */
const es256 = (given: WorldOptions = {}) =>
  startWorld({
    portal: { document: "full", signingAlg: "ES256" },
    ...given,
    options: { profile: "openid", ...given.options },
  });

const announceBoth = (document: Record<string, unknown>) => ({
  ...document,
  id_token_signing_alg_values_supported: ["RS256", "ES256"],
});

describe("the algorithm of the registration", () => {
  test("is RS256 if that is announced: a token of another one is refused, and the log says both", async () => {
    const { browser, url, provider, log } = await es256({ log: [/id_token_signature_invalid/] });
    provider.alterDiscovery(announceBoth);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("id_token_signature_invalid")]).toEqual([400, true]);
    expect(log.join()).toContain("[the token is signed with ES256, expected RS256]");
  });

  test("is what PORTAL_ID_TOKEN_ALG names: login and refresh", async () => {
    const world = await logIn({
      portal: { document: "full", signingAlg: "ES256" },
      options: { profile: "openid", idTokenAlg: "ES256" },
    });
    expect((await world.me()).isAuthenticated).toBe(true);
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    expect(world.refreshes()).toHaveLength(1);
  });

  test("is that one alone, although the provider signs with another that it announces", async () => {
    const { browser, url, provider } = await es256({
      options: { idTokenAlg: "PS256" },
      log: [/id_token_signature_invalid.*signed with ES256, expected PS256/],
    });
    provider.alterDiscovery(announceBoth);
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("holds for logout tokens", async () => {
    const { url, provider, browser, me, log } = await startWorld({
      portal: { document: "full" },
      options: { profile: "openid", backchannelLogout: true, idTokenAlg: "RS256" },
      log: [/logout_token_invalid/],
    });
    provider.alterDiscovery((document) => ({
      ...document,
      id_token_signing_alg_values_supported: ["RS256", "PS256"],
    }));
    await browser.visit(`${url}/account`);
    const body = new URLSearchParams({
      logout_token: provider.logoutToken({ sub: "amara-okafor" }, { header: { alg: "PS256" } }),
    });
    expect((await fetch(`${url}/backchannel-logout`, { method: "POST", body })).status).toBe(400);
    expect((await me()).isAuthenticated).toBe(true);
    expect(log.join()).toContain("the token is signed with PS256, expected RS256");
  });

  test("cannot be guessed if only HS256 is announced: no login begins, and the log names the option", async () => {
    const { browser, url, provider, log } = await es256({ log: [/discovery_invalid/] });
    provider.alterDiscovery((document) => ({
      ...document,
      id_token_signing_alg_values_supported: ["HS256"],
    }));
    expect((await browser.navigate(`${url}/login`)).status).toBe(502);
    expect(log.join()).toContain("set PORTAL_ID_TOKEN_ALG");
  });
});

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");

const hmac =
  (secret: string | Buffer, header: object = { alg: "HS256" }) =>
  (claims: object): string => {
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  };

/** As LINE: the document announces ES256, and ID tokens are signed with the client secret. */
const likeLine = (given: WorldOptions = {}) =>
  startWorld({
    ...given,
    portal: { document: "full", signingAlg: "ES256" },
    options: { profile: "openid", idTokenAlg: "HS256", backchannelLogout: true },
  });

describe("HS256, named by the option,", () => {
  test("is verified with the client secret: login and logout token", async () => {
    const { browser, url, provider, me, asked } = await likeLine();
    provider.nextIdToken({ forge: hmac(CLIENT_SECRET) });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const logout_token = provider.logoutToken({ sub: "amara-okafor" }, { forge: hmac(CLIENT_SECRET) });
    const body = new URLSearchParams({ logout_token });
    expect((await fetch(`${url}/backchannel-logout`, { method: "POST", body })).status).toBe(200);
    expect([(await me()).isAuthenticated, asked("/oauth2/jwks")]).toEqual([false, []]);
  });

  test.each<[string, (keys: { n?: string; x?: string }) => Parameters<typeof hmac>]>([
    ["another secret", () => ["another-client-secret-of-32-bytes!"]],
    ["an empty secret", () => [""]],
    ["the public key", ({ x = "" }) => [x]],
    ["the client secret under alg none", () => [CLIENT_SECRET, { alg: "none" }]],
    ["the client secret under HS512", () => [CLIENT_SECRET, { alg: "HS512" }]],
  ])("refuses a token that is signed with %s", async (_what, forgedWith) => {
    const { browser, url, provider, me } = await likeLine({ log: [/id_token_signature_invalid/] });
    const { keys } = (await (await fetch(`${provider.issuer}/oauth2/jwks`)).json()) as {
      keys: [{ x: string }];
    };
    provider.nextIdToken({ forge: hmac(...forgedWith(keys[0])) });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("refuses a token that the provider signed with its key pair", async () => {
    const { browser, url } = await likeLine({ log: [/signed with ES256, expected HS256/] });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("needs no keys: the document may have none", async () => {
    const { browser, url, provider } = await likeLine();
    provider.alterDiscovery(({ jwks_uri: _, ...document }) => document);
    provider.nextIdToken({ forge: hmac(CLIENT_SECRET) });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("is what the doctor checks signatures with", async () => {
    const { provider, url } = await likeLine();
    const { checks } = await diagnose(
      {
        issuer: provider.issuer,
        idTokenAlg: "HS256",
        clientId: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        redirectUri: `${url}/callback`,
        secret: SESSION_SECRET,
      },
      { env: {}, skip: ["store", "redirect", "cookies"] },
    );
    expect(checks.find(({ id }) => id === "portal.keys")).toMatchObject({ verdict: "ok", found: "HS256" });
    expect(checks.find(({ id }) => id === "portal.algorithm")).toMatchObject({ verdict: "warning" });
  });
});

describe("the option idTokenAlg", () => {
  const settle = (more: PortalAuthOptions, env: NodeJS.ProcessEnv = {}) =>
    resolveSettings(
      {
        issuer: "https://portal.example",
        clientId: "app",
        clientSecret: "x".repeat(32),
        redirectUri: "https://app.example/callback",
        secret: SESSION_SECRET,
        ...more,
      },
      env,
    );

  test("comes from PORTAL_ID_TOKEN_ALG, too", () => {
    expect(settle({}, { PORTAL_ID_TOKEN_ALG: "ES256" }).idTokenAlg).toBe("ES256");
    expect(settle({}).idTokenAlg).toBeUndefined();
  });

  test.each(["none", "None", "HS128", "rs256", "constructor"])("is never %s", (idTokenAlg) => {
    expect(() => settle({}, { PORTAL_ID_TOKEN_ALG: idTokenAlg })).toThrow(
      /PORTAL_ID_TOKEN_ALG .*write one of RS256/,
    );
  });

  test.each<[PortalAuthOptions["idTokenAlg"], number]>([
    ["HS256", 32],
    ["HS384", 48],
    ["HS512", 64],
  ])("%s needs a client secret of %i bytes", (idTokenAlg, bytes) => {
    expect(settle({ idTokenAlg, clientSecret: "x".repeat(bytes) }).idTokenAlg).toBe(idTokenAlg);
    expect(settle({ idTokenAlg, clientSecret: "ä".repeat(bytes / 2) }).idTokenAlg).toBe(idTokenAlg);
    expect(() => settle({ idTokenAlg, clientSecret: "x".repeat(bytes - 1) })).toThrow(
      `at least ${bytes} bytes`,
    );
  });

  test("HS256 needs a client that has a secret", () => {
    expect(() => settle({ idTokenAlg: "HS256", clientAuth: "none" })).toThrow("at least 32 bytes");
  });
});
