import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { diagnose, type PortalAuthOptions } from "../../lib/index.js";
import {
  resolveIdTokenAlgorithms,
  resolveUserInfoAlgorithms,
} from "../../lib/provider/id-token-algorithms.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";
import { logIn } from "../access/signed-in-request.js";
import {
  CLIENT_SECRET,
  getClientOptions,
  SESSION_SECRET,
  startWorld,
  type WorldOptions,
} from "../support/world.js";

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
  "if the provider announces %j for userinfo, its responses may be signed with %j",
  (announced, algorithms) => {
    expect(resolveUserInfoAlgorithms(["RS256"], announced)).toEqual(algorithms);
  },
);

/** A provider that announces several algorithms and signs with ES256. */
const startWithEs256 = (options: WorldOptions = {}) =>
  startWorld({
    provider: { document: "full", signingAlg: "ES256" },
    ...options,
    options: { profile: "openid", ...options.options },
  });

const announceBoth = (document: Record<string, unknown>) => ({
  ...document,
  id_token_signing_alg_values_supported: ["RS256", "ES256"],
});

describe("the accepted algorithm", () => {
  test("is RS256 if that is announced: the log names it and the one of the token", async () => {
    const { browser, url, provider, log } = await startWithEs256({ log: [/id_token_signature_invalid/] });
    provider.alterDiscovery(announceBoth);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes("id_token_signature_invalid")]).toEqual([400, true]);
    expect(log.join()).toContain("[the token is signed with ES256, expected RS256]");
  });

  test("is that of PORTAL_ID_TOKEN_ALG, at a login and at a refresh", async () => {
    const world = await logIn({
      provider: { document: "full", signingAlg: "ES256" },
      options: { profile: "openid", idTokenAlg: "ES256" },
    });
    expect((await world.me()).isAuthenticated).toBe(true);
    world.later(300);
    expect((await world.ask()).status).toBe(200);
    expect(world.refreshes()).toHaveLength(1);
  });

  test("is only that of PORTAL_ID_TOKEN_ALG, although the provider announces another one", async () => {
    const { browser, url, provider } = await startWithEs256({
      options: { idTokenAlg: "PS256" },
      log: [/id_token_signature_invalid.*signed with ES256, expected PS256/],
    });
    provider.alterDiscovery(announceBoth);
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("applies to logout tokens", async () => {
    const { url, provider, browser, me, log } = await startWorld({
      provider: { document: "full" },
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

  test("is unknown if only HS256 is announced: no login starts, and the log names the option", async () => {
    const { browser, url, provider, log } = await startWithEs256({ log: [/discovery_invalid/] });
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

/** Like LINE: the document announces ES256, and ID tokens are signed with the client secret. */
const startLikeLine = (options: WorldOptions = {}) =>
  startWorld({
    ...options,
    provider: { document: "full", signingAlg: "ES256" },
    options: { profile: "openid", idTokenAlg: "HS256", backchannelLogout: true },
  });

describe("HS256 by the option idTokenAlg", () => {
  test("is verified with the client secret, at a login and in a logout token", async () => {
    const { browser, url, provider, me, asked } = await startLikeLine();
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
    ["the client secret and alg none", () => [CLIENT_SECRET, { alg: "none" }]],
    ["the client secret and HS512", () => [CLIENT_SECRET, { alg: "HS512" }]],
  ])("rejects a token that is signed with %s", async (_name, getForgery) => {
    const { browser, url, provider, me } = await startLikeLine({ log: [/id_token_signature_invalid/] });
    const { keys } = (await (await fetch(`${provider.issuer}/oauth2/jwks`)).json()) as {
      keys: [{ x: string }];
    };
    provider.nextIdToken({ forge: hmac(...getForgery(keys[0])) });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test("rejects a token that the provider signed with its key pair", async () => {
    const { browser, url } = await startLikeLine({ log: [/signed with ES256, expected HS256/] });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("needs no jwks_uri in the document", async () => {
    const { browser, url, provider } = await startLikeLine();
    provider.alterDiscovery(({ jwks_uri: _, ...document }) => document);
    provider.nextIdToken({ forge: hmac(CLIENT_SECRET) });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("is checked by the doctor", async () => {
    const { provider, url } = await startLikeLine();
    const { checks } = await diagnose(
      {
        ...getClientOptions({ provider, url }),
        idTokenAlg: "HS256",
      },
      { env: {}, skip: ["store", "redirect", "cookies"] },
    );
    expect(checks.find(({ id }) => id === "portal.keys")).toMatchObject({ verdict: "ok", found: "HS256" });
    expect(checks.find(({ id }) => id === "portal.algorithm")).toMatchObject({ verdict: "warning" });
  });
});

describe("the option idTokenAlg", () => {
  const resolve = (more: PortalAuthOptions, env: NodeJS.ProcessEnv = {}) =>
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

  test("is read from PORTAL_ID_TOKEN_ALG", () => {
    expect(resolve({}, { PORTAL_ID_TOKEN_ALG: "ES256" }).idTokenAlg).toBe("ES256");
    expect(resolve({}).idTokenAlg).toBeUndefined();
  });

  test.each(["none", "None", "HS128", "rs256", "constructor"])("does not accept %s", (idTokenAlg) => {
    expect(() => resolve({}, { PORTAL_ID_TOKEN_ALG: idTokenAlg })).toThrow(
      /PORTAL_ID_TOKEN_ALG .*write one of RS256/,
    );
  });

  test.each<[PortalAuthOptions["idTokenAlg"], number]>([
    ["HS256", 32],
    ["HS384", 48],
    ["HS512", 64],
  ])("%s needs a client secret of %i bytes", (idTokenAlg, bytes) => {
    expect(resolve({ idTokenAlg, clientSecret: "x".repeat(bytes) }).idTokenAlg).toBe(idTokenAlg);
    expect(resolve({ idTokenAlg, clientSecret: "ä".repeat(bytes / 2) }).idTokenAlg).toBe(idTokenAlg);
    expect(() => resolve({ idTokenAlg, clientSecret: "x".repeat(bytes - 1) })).toThrow(
      `at least ${bytes} bytes`,
    );
  });

  test("HS256 needs a client that has a secret", () => {
    expect(() => resolve({ idTokenAlg: "HS256", clientAuth: "none" })).toThrow("at least 32 bytes");
  });
});
