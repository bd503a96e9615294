import { describe, expect, test } from "vitest";
import { startWorld } from "../support/world.js";

const now = () => Math.floor(Date.now() / 1000);

/** Every claim that is checked, with a lie about it: OpenID Connect Core 1.0, section 3.1.3.7. */
describe("an ID token that lies is refused, and no session begins", () => {
  test.each<[string, Record<string, unknown>, string]>([
    ["iss: another issuer", { iss: "https://evil.example" }, "id_token_invalid"],
    ["iss: missing", { iss: undefined }, "id_token_invalid"],
    ["iss: a list", { iss: ["x"] }, "id_token_invalid"],
    ["sub: missing", { sub: undefined }, "id_token_invalid"],
    ["sub: a number", { sub: 7 }, "id_token_invalid"],
    ["sub: empty", { sub: "" }, "id_token_invalid"],
    ["sub: longer than a name may be", { sub: "x".repeat(256) }, "id_token_invalid"],
    ["aud: another client", { aud: "another-client" }, "id_token_invalid"],
    ["aud: missing", { aud: undefined }, "id_token_invalid"],
    ["aud: a list without us", { aud: ["another-client"] }, "id_token_invalid"],
    ["aud: us and another, and no azp", { aud: ["demo-app", "another-client"], azp: undefined }, "id_token_invalid"],
    ["azp: another client", { azp: "another-client" }, "id_token_invalid"],
    ["azp: another client, among several audiences", { aud: ["demo-app", "x"], azp: "x" }, "id_token_invalid"],
    ["exp: long ago", { exp: 1 }, "id_token_invalid"],
    ["exp: missing", { exp: undefined }, "id_token_invalid"],
    ["exp: in words", { exp: "tomorrow" }, "id_token_invalid"],
    ["exp: just outside the tolerance", { exp: now() - 31 }, "id_token_invalid"],
    ["iat: missing", { iat: undefined }, "id_token_invalid"],
    ["iat: in words", { iat: "today" }, "id_token_invalid"],
    ["iat: in the future", { iat: now() + 120 }, "id_token_invalid"],
    ["nbf: in the future", { nbf: now() + 120 }, "id_token_invalid"],
    ["at_hash: of another token", { at_hash: "AAAAAAAAAAAAAAAAAAAAAA" }, "id_token_invalid"],
    ["at_hash: a number", { at_hash: 7 }, "id_token_invalid"],
    ["nonce: of another login", { nonce: "another-login" }, "nonce_mismatch"],
    ["nonce: a list", { nonce: ["x"] }, "nonce_mismatch"],
  ])("%s", async (_lie, claims, code) => {
    const { browser, url, portal, me, log } = await startWorld({ log: [new RegExp(code)] });
    portal.nextIdToken({ claims });
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.match(/(\w+) · request/)?.[1]]).toEqual([400, code]);
    expect((await me()).isAuthenticated).toBe(false);
    if (code === "id_token_invalid") expect(log.join()).toMatch(/\[(claim|JWT|unexpected JWT|ID Token)/i);
  });
});

describe("an ID token that is right is accepted", () => {
  test.each<[string, Record<string, unknown>]>([
    ["a sub as long as a name may be", { sub: "x".repeat(255) }],
    ["aud as a list of one", { aud: ["demo-app"] }],
    ["several audiences, with us as azp", { aud: ["demo-app", "another"], azp: "demo-app" }],
    ["no azp", { azp: undefined }],
    ["exp just inside the tolerance", { exp: now() - 20 }],
    ["iat a little in the future", { iat: now() + 20 }],
    ["no nonce: the portal's documentation has none", { nonce: undefined }],
  ])("%s", async (_name, claims) => {
    const { browser, url, portal } = await startWorld();
    portal.nextIdToken({ claims });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("with the clock tolerance that is configured", async () => {
    const { browser, url, portal } = await startWorld({ options: { clockTolerance: 300 } });
    portal.nextIdToken({ claims: { exp: now() - 200, iat: now() + 200 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("the nonce", () => {
  test("must come back where it is required", async () => {
    const { browser, url, portal } = await startWorld({ options: { nonce: "required" }, log: [/nonce_mismatch/] });
    portal.nextIdToken({ claims: { nonce: undefined } });
    expect((await browser.visit(`${url}/account`)).body).toContain("nonce_mismatch");
  });

  test("that comes back although none was sent is refused", async () => {
    const { browser, url, portal } = await startWorld({ options: { nonce: "off" }, log: [/nonce_mismatch/] });
    portal.nextIdToken({ claims: { nonce: "from-nowhere" } });
    expect((await browser.visit(`${url}/account`)).body).toContain("nonce_mismatch");
  });
});

describe("max_age", () => {
  const options = { authorizationParams: { max_age: 60 } };

  test.each<[string, unknown]>([
    ["missing", undefined],
    ["too long ago", now() - 200],
    ["in words", "just now"],
    ["in the future", now() + 1e6],
  ])("asks for auth_time: %s is refused", async (_name, auth_time) => {
    const { browser, url, portal } = await startWorld({ options, log: [/id_token_invalid/] });
    portal.nextIdToken({ claims: { auth_time } });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test("accepts an auth_time that is recent enough", async () => {
    const { browser, url, portal } = await startWorld({ options });
    portal.nextIdToken({ claims: { auth_time: now() - 50 } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)(
  "a standard provider that signs with %s logs people in, with at_hash, auth_time, iss and nonce",
  async (signingAlg) => {
    const { browser, url, me } = await startWorld({
      portal: { document: "full", signingAlg },
      options: { profile: "openid" },
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    const { claims } = await me();
    expect(claims).toMatchObject({
      at_hash: expect.any(String),
      nonce: expect.any(String),
      auth_time: expect.any(Number),
    });
  },
);
