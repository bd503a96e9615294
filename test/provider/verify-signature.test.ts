import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { resolveIdTokenAlgorithms } from "../../lib/provider/id-token-algorithms.js";
import { RefetchByKid } from "../../lib/provider/refetch-policy.js";
import { SigningKeys } from "../../lib/provider/signing-keys.js";
import { createVerifier } from "../../lib/provider/verify-signature.js";
import { CLIENT_SECRET, startWorld } from "../support/world.js";

type Jwk = Record<string, unknown>;
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("an ID token without a valid signature creates no session", () => {
  test.each<[string, Parameters<Awaited<ReturnType<typeof startWorld>>["provider"]["nextIdToken"]>[0]]>([
    ["signed by an unknown key, with the provider's kid", { signedBy: "stranger" }],
    ["without a signature, with alg none", { signedBy: "nobody", header: { alg: "none" } }],
    ["without a signature, with an accepted alg", { signedBy: "nobody" }],
    ["without a signature, with alg NONE", { signedBy: "nobody", header: { alg: "NONE" } }],
    ["with an algorithm that the provider does not announce", { header: { alg: "RS512" } }],
    ["with a symmetric algorithm", { header: { alg: "HS256" } }],
    ["with an unknown kid", { header: { kid: "unknown" } }],
    ["with an unsupported critical header", { header: { crit: ["exp"], exp: 1 } }],
    [
      "with its own key in the header",
      { signedBy: "stranger", header: { jwk: { kty: "RSA", n: "AQAB", e: "AQAB" } } },
    ],
    [
      "with the URL of its own key in the header",
      { signedBy: "stranger", header: { jku: "http://127.0.0.1:1/keys" } },
    ],
  ])("%s", async (_name, changes) => {
    const { browser, url, provider, me } = await startWorld({ log: [/id_token/] });
    provider.nextIdToken(changes);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, /id_token_(signature_)?invalid/.test(page.body)]).toEqual([400, true]);
    expect((await me()).isAuthenticated).toBe(false);
  });

  test.each([
    ["the client secret", CLIENT_SECRET],
    ["the public key", "{{n}}"],
  ])(
    "an ID token signed with HS256 and %s is rejected, although the metadata announces HS256",
    async (_name, secret) => {
      const { browser, url, provider } = await startWorld({ log: [/id_token/] });
      provider.alterDiscovery((document) => ({
        ...document,
        id_token_signing_alg_values_supported: ["HS256", "RS256"],
      }));
      const jwks = JSON.parse(await (await fetch(`${provider.issuer}/oauth2/jwks`)).text()) as {
        keys: Jwk[];
      };
      const key = secret === "{{n}}" ? String(jwks.keys[0]?.["n"]) : secret;
      const now = Math.floor(Date.now() / 1000);
      const claims = { iss: provider.issuer, sub: "amara-okafor", aud: "demo-app", iat: now, exp: now + 600 };
      const input = `${encode({ alg: "HS256", kid: jwks.keys[0]?.["kid"] })}.${encode(claims)}`;
      const id_token = `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
      provider.nextTokenResponse({ id_token });
      expect((await browser.visit(`${url}/account`)).body).toContain("id_token_signature_invalid");
    },
  );
});

describe("rotated keys", () => {
  test("are fetched at the next login", async () => {
    const { browser, url, provider, asked } = await startWorld();
    await browser.visit(`${url}/account`);
    await provider.rotateKeys();
    const again = await browser.loginUntilCallback(`${url}/login?returnTo=/account`);
    expect((await browser.navigate(again)).headers.location).toBe("/account");
    expect(asked("/oauth2/jwks")).toHaveLength(2);
  });

  test("with the same kid are fetched if the signature does not match", async () => {
    const { browser, url, provider } = await startWorld();
    const { kid } =
      ((await (await fetch(`${provider.issuer}/oauth2/jwks`)).json()) as { keys: { kid: string }[] })
        .keys[0] ?? {};
    await browser.visit(`${url}/account`);
    await provider.rotateKeys();
    provider.alterKeys(({ keys }) => ({ keys: keys.map((key) => ({ ...(key as Jwk), kid })) }));
    provider.nextIdToken({ header: { kid } });
    const again = await browser.loginUntilCallback(`${url}/login?returnTo=/account`);
    expect((await browser.navigate(again)).headers.location).toBe("/account");
  });

  test("are not fetched while the known keys match", async () => {
    const { browser, url, asked } = await startWorld();
    for (let login = 0; login < 3; login += 1) await browser.visit(`${url}/login?returnTo=/account`);
    expect(asked("/oauth2/jwks")).toHaveLength(1);
  });
});

describe("the key set", () => {
  const expectLogin = async (alterKeys: (jwks: { keys: unknown[] }) => unknown) => {
    const { browser, url, provider } = await startWorld();
    provider.alterKeys(alterKeys);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  };

  test("in a member Keys, as in the sample of Tencent CIAM, is accepted", () =>
    expectLogin(({ keys }) => ({ Keys: keys })));
  test("with an invalid key beside valid ones is accepted", () =>
    expectLogin(({ keys }) => ({ keys: [{ kty: "RSA", kid: "x" }, {}, ...keys] })));
  test("with a thousand keys is accepted", () =>
    expectLogin(({ keys }) => ({
      keys: [
        ...Array.from({ length: 1000 }, (_, n) => ({ kty: "RSA", kid: `k${n}`, n: "AQAB", e: "AQAB" })),
        ...keys,
      ],
    })));
  test("with one key verifies a token without a kid", async () => {
    const { browser, url, provider } = await startWorld();
    provider.nextIdToken({ header: { kid: undefined } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("with several keys verifies a token without a kid", async () => {
    const { browser, url, provider } = await startWorld();
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const another = publicKey.export({ format: "jwk" });
    provider.alterKeys(({ keys }) => ({ keys: [another, ...keys, { ...another, n: "AA" }] }));
    provider.nextIdToken({ header: { kid: undefined } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("with several keys rejects a token that none of them has signed", async () => {
    const { browser, url, provider } = await startWorld({ log: [/ERR_JWS_SIGNATURE_VERIFICATION_FAILED/] });
    provider.alterKeys(({ keys }) => ({ keys: [...keys, { ...(keys[0] as Jwk), kid: "second" }] }));
    provider.nextIdToken({ header: { kid: undefined }, signedBy: "stranger" });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test.each<[string, unknown, string, number]>([
    ["that is not an object", [], "portal_answer_invalid", 502],
    ["without keys", {}, "portal_answer_invalid", 502],
    ["whose keys are not a list", { keys: {} }, "portal_answer_invalid", 502],
    ["whose keys are not objects", { keys: ["x"] }, "id_token_signature_invalid", 400],
    ["that is HTML", "<html>", "portal_answer_invalid", 502],
  ])("%s fails the login", async (_name, sent, code, status) => {
    const { browser, url, provider } = await startWorld({ log: [new RegExp(code)] });
    provider.alterKeys(() => sent);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes(code)]).toEqual([status, true]);
  });

  test("with status 500 fails the login with 503, and the next login works", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_failed/] });
    provider.answerNext("/oauth2/jwks", (_req, res) => res.writeHead(500).end());
    expect((await browser.visit(`${url}/account`)).status).toBe(503);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("verifySignature", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "one" };
  const unknownJwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
  const signWith = (key: KeyObject, header: object) => {
    const text = `${encode({ alg: "RS256", ...header })}.${encode({ sub: "x" })}`;
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  };
  const createToken = (header: object) => signWith(privateKey, header);
  const createFetch = (body: unknown, status = 200) => vi.fn(async () => Response.json(body, { status }));
  const createTestVerifier = (fetch: () => Promise<Response>, announced: unknown = ["RS256"]) =>
    createVerifier({
      algorithms: resolveIdTokenAlgorithms(undefined, announced),
      keys: new SigningKeys("https://portal.example/jwks", fetch),
      secret: undefined,
      refetch: new RefetchByKid(),
    });

  test("fetches the keys as JSON, once", async () => {
    const fetch = createFetch({ keys: [jwk] });
    const verify = createTestVerifier(fetch);
    await verify(createToken({ kid: "one" }));
    await verify(createToken({}));
    expect(fetch).toHaveBeenCalledOnce();
    const [[url, request]] = fetch.mock.calls as unknown as [[string, { headers: Headers }]];
    expect([url, request.headers.get("accept")]).toEqual([
      "https://portal.example/jwks",
      "application/json, application/jwk-set+json",
    ]);
  });

  test.each([null, 1, "x", [], [jwk]])("ignores %j among the keys", async (member) => {
    await createTestVerifier(createFetch({ keys: [member, jwk] }))(createToken({ kid: "one" }));
    await createTestVerifier(createFetch({ keys: [jwk, member] }))(createToken({}));
  });

  test("accepts RS256 if the provider announces nothing, and otherwise only what it announces", async () => {
    await createTestVerifier(createFetch({ keys: [jwk] }), undefined)(createToken({ kid: "one" }));
    await createTestVerifier(createFetch({ keys: [jwk] }), [])(createToken({ kid: "one" }));
    await createTestVerifier(createFetch({ keys: [jwk] }), ["ES256", "RS256"])(createToken({ kid: "one" }));
    for (const announced of [["ES256"], ["none"], ["HS256"], [null]]) {
      const accepted = announced[0] === "ES256" ? "ES256" : "";
      await expect(
        createTestVerifier(createFetch({ keys: [jwk] }), announced)(createToken({ kid: "one" })),
      ).rejects.toMatchObject({
        code: "id_token_signature_invalid",
        detail: `ERR_JOSE_ALG_NOT_ALLOWED: the token is signed with RS256, expected ${accepted}`,
      });
    }
  });

  test("rejects an algorithm that is not announced, also with several keys", async () => {
    const keys = {
      keys: [
        { ...jwk, kid: "a" },
        { ...jwk, kid: "b" },
      ],
    };
    await expect(createTestVerifier(createFetch(keys), ["PS256"])(createToken({}))).rejects.toMatchObject({
      code: "id_token_signature_invalid",
    });
  });

  test("rejects a token whose key cannot be used, and says so", async () => {
    const verify = createTestVerifier(createFetch({ keys: [{ ...jwk, n: "AA" }] }));
    await expect(verify(createToken({ kid: "one" }))).rejects.toMatchObject({
      code: "id_token_signature_invalid",
      detail: "a key that cannot be used",
    });
  });

  test.each<[string, Response, string, string]>([
    ["503", new Response("", { status: 503 }), "portal_failed", "jwks_uri answered 503"],
    ["429", new Response("", { status: 429 }), "portal_failed", "jwks_uri answered 429"],
    [
      "a valid set with 404",
      Response.json({ keys: [] }, { status: 404 }),
      "portal_answer_invalid",
      "jwks_uri: not a JWK set",
    ],
    ["not JSON", new Response("<html>"), "portal_answer_invalid", "jwks_uri: not a JWK set"],
    ["null", Response.json(null), "portal_answer_invalid", "jwks_uri: not a JWK set"],
  ])("fails if the keys are %s", async (_name, response, code, detail) => {
    await expect(createTestVerifier(async () => response)(createToken({}))).rejects.toMatchObject({
      code,
      detail,
    });
  });

  test("fails with portal_unreachable if the response with the keys breaks off", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new TypeError("terminated")) });
    await expect(createTestVerifier(async () => new Response(body))(createToken({}))).rejects.toMatchObject({
      code: "portal_unreachable",
      detail: "jwks_uri: TypeError",
    });
  });

  describe("with an unknown kid", () => {
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const lateJwk = { ...other.publicKey.export({ format: "jwk" }), kid: "late" };
    const lateToken = signWith(other.privateKey, { kid: "late" });
    const unknown = { code: "id_token_signature_invalid", detail: "ERR_JWKS_NO_MATCHING_KEY" };

    /**
     * Returns keys that can change, a clock that can be set, and a verifier that has fetched the keys once.
     */
    async function start() {
      const published: { keys: object[] } = { keys: [jwk] };
      const fetch = vi.fn(async () => Response.json(published));
      const verify = createTestVerifier(fetch);
      await verify(createToken({ kid: "one" }));
      const startedAt = performance.now();
      const clock = vi.spyOn(performance, "now").mockReturnValue(startedAt);
      onTestFinished(() => clock.mockRestore());
      fetch.mockClear();
      return {
        published,
        fetch,
        verify,
        setTime: (seconds: number) => clock.mockReturnValue(startedAt + seconds * 1000),
      };
    }

    test("20 concurrent tokens cause one fetch, and 20 more in the next second no other", async () => {
      const { fetch, verify } = await start();
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => verify(lateToken)));
      expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
      for (let n = 0; n < 20; n += 1) await expect(verify(lateToken)).rejects.toMatchObject(unknown);
      expect(fetch).toHaveBeenCalledOnce();
    });

    test("one token in each second causes few fetches", async () => {
      const { fetch, verify, setTime } = await start();
      for (let second = 0; second < 60; second += 1) {
        setTime(second);
        await expect(verify(lateToken)).rejects.toMatchObject(unknown);
      }
      expect(fetch).toHaveBeenCalledTimes(6); // after 0, 1, 3, 7, 15 and 31 s
    });

    test("a key that is published two seconds late is found by the next token", async () => {
      const { published, verify, setTime } = await start();
      await expect(verify(lateToken)).rejects.toMatchObject(unknown);
      published.keys.push(lateJwk);
      setTime(2);
      await verify(lateToken);
    });

    test("a rotation works at once, also just after another unknown kid", async () => {
      const { published, fetch, verify } = await start();
      await expect(verify(createToken({ kid: "never" }))).rejects.toMatchObject(unknown);
      published.keys = [lateJwk];
      await Promise.all(Array.from({ length: 5 }, () => verify(lateToken)));
      expect(fetch).toHaveBeenCalledTimes(2);
    });

    test("a rotation that keeps the kid works at once", async () => {
      const { published, fetch, verify } = await start();
      published.keys = [{ ...lateJwk, kid: "one" }];
      await verify(signWith(other.privateKey, { kid: "one" }));
      expect(fetch).toHaveBeenCalledOnce();
    });

    test("20 forged signatures with a known kid cause one fetch", async () => {
      const { fetch, verify } = await start();
      const forged = signWith(other.privateKey, { kid: "one" });
      for (let n = 0; n < 20; n += 1)
        await expect(verify(forged)).rejects.toMatchObject({
          detail: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      expect(fetch).toHaveBeenCalledOnce();
      await verify(createToken({ kid: "one" }));
    });

    test("a fetch that fails is repeated for the next token", async () => {
      const { published, fetch, verify } = await start();
      published.keys.push(lateJwk);
      fetch.mockResolvedValueOnce(new Response(null, { status: 503 }));
      await expect(verify(lateToken)).rejects.toMatchObject({ code: "portal_failed" });
      await verify(lateToken);
    });

    test("the keys are fetched again after ten minutes", async () => {
      const { published, fetch, verify, setTime } = await start();
      published.keys = [lateJwk];
      setTime(599);
      await verify(createToken({ kid: "one" }));
      setTime(601);
      await expect(verify(createToken({ kid: "one" }))).rejects.toMatchObject(unknown);
      expect(fetch).toHaveBeenCalledTimes(2);
    });
  });

  test("RefetchByKid remembers the newest 100 kids", () => {
    const policy = new RefetchByKid();
    for (let n = 0; n <= 100; n += 1) policy.recordMiss(`kid ${n}`);
    expect([0, 1, 100, 101].map((n) => policy.mayRefetch(`kid ${n}`))).toEqual([true, false, false, true]);
  });

  test("for a token without a kid, only 20 keys are tried", async () => {
    const createUnknownKeys = (count: number) => Array.from({ length: count }, () => ({ ...unknownJwk }));
    const { kid: _, ...ours } = jwk;
    await createTestVerifier(createFetch({ keys: [...createUnknownKeys(19), ours] }))(createToken({}));
    await expect(
      createTestVerifier(createFetch({ keys: [...createUnknownKeys(20), ours] }))(createToken({})),
    ).rejects.toMatchObject({
      detail: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  test.each(["constructor", "__proto__", "toString"])("a key of the type %s is skipped", async (kty) => {
    await createTestVerifier(createFetch({ keys: [{ kty, kid: "one", alg: kty }, jwk] }))(
      createToken({ kid: "one" }),
    );
    await expect(
      createTestVerifier(createFetch({ keys: [{ kty, kid: "one" }] }))(createToken({ kid: "one" })),
    ).rejects.toMatchObject({
      code: "id_token_signature_invalid",
    });
  });
});
