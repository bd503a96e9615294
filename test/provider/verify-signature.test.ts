import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { resolveIdTokenAlgorithms } from "../../lib/provider/id-token-algorithms.js";
import { RefetchByKid } from "../../lib/provider/refetch-policy.js";
import { SigningKeys } from "../../lib/provider/signing-keys.js";
import { createVerifier } from "../../lib/provider/verify-signature.js";
import { CLIENT_SECRET, startWorld } from "../support/world.js";

type Jwk = Record<string, unknown>;
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a signature that is not the portal's is refused, and no session begins", () => {
  test.each<[string, Parameters<Awaited<ReturnType<typeof startWorld>>["provider"]["nextIdToken"]>[0]]>([
    ["by a stranger's key, under the portal's kid", { signedBy: "stranger" }],
    ["none at all", { signedBy: "nobody", header: { alg: "none" } }],
    ["none at all, under a proper alg", { signedBy: "nobody" }],
    ["none at all, with NONE in capitals", { signedBy: "nobody", header: { alg: "NONE" } }],
    ["an algorithm that the portal does not announce", { header: { alg: "RS512" } }],
    ["an algorithm that is symmetric", { header: { alg: "HS256" } }],
    ["a kid that nobody has", { header: { kid: "nobody" } }],
    ["a critical header that nobody understands", { header: { crit: ["exp"], exp: 1 } }],
    [
      "a key that the token brings along",
      { signedBy: "stranger", header: { jwk: { kty: "RSA", n: "AQAB", e: "AQAB" } } },
    ],
    [
      "a key address that the token brings along",
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
  ])("HS256, keyed by %s, although the metadata announces it", async (_name, secret) => {
    const { browser, url, provider } = await startWorld({ log: [/id_token/] });
    provider.alterDiscovery((document) => ({
      ...document,
      id_token_signing_alg_values_supported: ["HS256", "RS256"],
    }));
    const jwks = JSON.parse(await (await fetch(`${provider.issuer}/oauth2/jwks`)).text()) as { keys: Jwk[] };
    const key = secret === "{{n}}" ? String(jwks.keys[0]?.["n"]) : secret;
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: provider.issuer, sub: "amara-okafor", aud: "demo-app", iat: now, exp: now + 600 };
    const input = `${encode({ alg: "HS256", kid: jwks.keys[0]?.["kid"] })}.${encode(claims)}`;
    const id_token = `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
    provider.nextTokenResponse({ id_token });
    expect((await browser.visit(`${url}/account`)).body).toContain("id_token_signature_invalid");
  });
});

describe("keys that rotate are fetched anew", () => {
  test("between login and login, at once", async () => {
    const { browser, url, provider, asked } = await startWorld();
    await browser.visit(`${url}/account`);
    await provider.rotateKeys();
    const again = await browser.loginUntilCallback(`${url}/login?returnTo=/account`);
    expect((await browser.navigate(again)).headers.location).toBe("/account");
    expect(asked("/oauth2/jwks")).toHaveLength(2);
  });

  test("under the same kid: a signature that does not fit is tried again with fresh keys", async () => {
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

  test("otherwise they are remembered", async () => {
    const { browser, url, asked } = await startWorld();
    for (let login = 0; login < 3; login += 1) await browser.visit(`${url}/login?returnTo=/account`);
    expect(asked("/oauth2/jwks")).toHaveLength(1);
  });
});

describe("the key set", () => {
  const ok = async (alter: (jwks: { keys: unknown[] }) => unknown) => {
    const { browser, url, provider } = await startWorld();
    provider.alterKeys(alter);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  };

  test("spelt Keys, as in the portal's sample, is read", () => ok(({ keys }) => ({ Keys: keys })));
  test("with a broken key among good ones is read", () =>
    ok(({ keys }) => ({ keys: [{ kty: "RSA", kid: "x" }, {}, ...keys] })));
  test("with a thousand keys is read", () =>
    ok(({ keys }) => ({
      keys: [
        ...Array.from({ length: 1000 }, (_, n) => ({ kty: "RSA", kid: `k${n}`, n: "AQAB", e: "AQAB" })),
        ...keys,
      ],
    })));
  test("of one key serves a token without a kid", async () => {
    const { browser, url, provider } = await startWorld();
    provider.nextIdToken({ header: { kid: undefined } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("of several keys serves a token without a kid by the one that fits", async () => {
    const { browser, url, provider } = await startWorld();
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const another = publicKey.export({ format: "jwk" });
    provider.alterKeys(({ keys }) => ({ keys: [another, ...keys, { ...another, n: "AA" }] }));
    provider.nextIdToken({ header: { kid: undefined } });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });

  test("of several keys serves no token that none of them fits", async () => {
    const { browser, url, provider } = await startWorld({ log: [/ERR_JWS_SIGNATURE_VERIFICATION_FAILED/] });
    provider.alterKeys(({ keys }) => ({ keys: [...keys, { ...(keys[0] as Jwk), kid: "second" }] }));
    provider.nextIdToken({ header: { kid: undefined }, signedBy: "stranger" });
    expect((await browser.visit(`${url}/account`)).status).toBe(400);
  });

  test.each<[string, unknown, string, number]>([
    ["that is no object", [], "portal_answer_invalid", 502],
    ["without keys", {}, "portal_answer_invalid", 502],
    ["whose keys are no list", { keys: {} }, "portal_answer_invalid", 502],
    ["whose keys are no objects", { keys: ["x"] }, "id_token_signature_invalid", 400],
    ["that is HTML", "<html>", "portal_answer_invalid", 502],
  ])("%s is told", async (_name, sent, code, status) => {
    const { browser, url, provider } = await startWorld({ log: [new RegExp(code)] });
    provider.alterKeys(() => sent);
    const page = await browser.visit(`${url}/account`);
    expect([page.status, page.body.includes(code)]).toEqual([status, true]);
  });

  test("that the portal cannot give is the portal's failure, and the next login works", async () => {
    const { browser, url, provider } = await startWorld({ log: [/portal_failed/] });
    provider.answerNext("/oauth2/jwks", (_req, res) => res.writeHead(500).end());
    expect((await browser.visit(`${url}/account`)).status).toBe(503);
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
  });
});

describe("verifySignature", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "one" };
  const stranger = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });
  const signedBy = (key: KeyObject, header: object) => {
    const text = `${encode({ alg: "RS256", ...header })}.${encode({ sub: "x" })}`;
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  };
  const signed = (header: object) => signedBy(privateKey, header);
  const answering = (body: unknown, status = 200) => vi.fn(async () => Response.json(body, { status }));
  const verifier = (fetch: () => Promise<Response>, announced: unknown = ["RS256"]) =>
    createVerifier({
      algorithms: resolveIdTokenAlgorithms(undefined, announced),
      keys: new SigningKeys("https://portal.example/jwks", fetch),
      secret: undefined,
      refetch: new RefetchByKid(),
    });

  test("asks for the keys as JSON, once", async () => {
    const fetch = answering({ keys: [jwk] });
    const verify = verifier(fetch);
    await verify(signed({ kid: "one" }));
    await verify(signed({}));
    expect(fetch).toHaveBeenCalledOnce();
    const [[url, request]] = fetch.mock.calls as unknown as [[string, { headers: Headers }]];
    expect([url, request.headers.get("accept")]).toEqual([
      "https://portal.example/jwks",
      "application/json, application/jwk-set+json",
    ]);
  });

  test.each([null, 1, "x", [], [jwk]])("takes no notice of %j among the keys", async (member) => {
    await verifier(answering({ keys: [member, jwk] }))(signed({ kid: "one" }));
    await verifier(answering({ keys: [jwk, member] }))(signed({}));
  });

  test("takes RS256 where the portal announces nothing, and what it announces alone", async () => {
    await verifier(answering({ keys: [jwk] }), undefined)(signed({ kid: "one" }));
    await verifier(answering({ keys: [jwk] }), [])(signed({ kid: "one" }));
    await verifier(answering({ keys: [jwk] }), ["ES256", "RS256"])(signed({ kid: "one" }));
    for (const announced of [["ES256"], ["none"], ["HS256"], [null]])
      await expect(
        verifier(answering({ keys: [jwk] }), announced)(signed({ kid: "one" })),
      ).rejects.toMatchObject({
        code: "id_token_signature_invalid",
        detail: `ERR_JOSE_ALG_NOT_ALLOWED: the token is signed with RS256, expected ${announced[0] === "ES256" ? "ES256" : ""}`,
      });
  });

  test("of several keys takes no algorithm either that was not announced", async () => {
    const keys = {
      keys: [
        { ...jwk, kid: "a" },
        { ...jwk, kid: "b" },
      ],
    };
    await expect(verifier(answering(keys), ["PS256"])(signed({}))).rejects.toMatchObject({
      code: "id_token_signature_invalid",
    });
  });

  test("a key that cannot be used is told as that", async () => {
    const verify = verifier(answering({ keys: [{ ...jwk, n: "AA" }] }));
    await expect(verify(signed({ kid: "one" }))).rejects.toMatchObject({
      code: "id_token_signature_invalid",
      detail: "a key that cannot be used",
    });
  });

  test.each<[string, Response, string, string]>([
    ["503", new Response("", { status: 503 }), "portal_failed", "jwks_uri answered 503"],
    ["429", new Response("", { status: 429 }), "portal_failed", "jwks_uri answered 429"],
    [
      "a good set with 404",
      Response.json({ keys: [] }, { status: 404 }),
      "portal_answer_invalid",
      "jwks_uri: not a JWK set",
    ],
    ["no JSON", new Response("<html>"), "portal_answer_invalid", "jwks_uri: not a JWK set"],
    ["null", Response.json(null), "portal_answer_invalid", "jwks_uri: not a JWK set"],
  ])("keys that answer %s are told", async (_name, response, code, detail) => {
    await expect(verifier(async () => response)(signed({}))).rejects.toMatchObject({ code, detail });
  });

  test("keys whose answer breaks off are told as the network's failure", async () => {
    const body = new ReadableStream({ pull: (controller) => controller.error(new TypeError("terminated")) });
    await expect(verifier(async () => new Response(body))(signed({}))).rejects.toMatchObject({
      code: "portal_unreachable",
      detail: "jwks_uri: TypeError",
    });
  });

  describe("with an unknown kid", () => {
    const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const late = { ...other.publicKey.export({ format: "jwk" }), kid: "late" };
    const signedLate = signedBy(other.privateKey, { kid: "late" });
    const unknown = { code: "id_token_signature_invalid", detail: "ERR_JWKS_NO_MATCHING_KEY" };

    /** A provider whose keys can change, a clock to turn, and a verifier that has fetched the keys once. */
    async function start() {
      const published: { keys: object[] } = { keys: [jwk] };
      const fetch = vi.fn(async () => Response.json(published));
      const verify = verifier(fetch);
      await verify(signed({ kid: "one" }));
      const begin = performance.now();
      const clock = vi.spyOn(performance, "now").mockReturnValue(begin);
      onTestFinished(() => clock.mockRestore());
      fetch.mockClear();
      return {
        published,
        fetch,
        verify,
        setTime: (seconds: number) => clock.mockReturnValue(begin + seconds * 1000),
      };
    }

    test("20 tokens at once cause one fetch, and 20 more in the next second none", async () => {
      const { fetch, verify } = await start();
      const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => verify(signedLate)));
      expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
      for (let n = 0; n < 20; n += 1) await expect(verify(signedLate)).rejects.toMatchObject(unknown);
      expect(fetch).toHaveBeenCalledOnce();
    });

    test("one token in each second causes few fetches", async () => {
      const { fetch, verify, setTime } = await start();
      for (let second = 0; second < 60; second += 1) {
        setTime(second);
        await expect(verify(signedLate)).rejects.toMatchObject(unknown);
      }
      expect(fetch).toHaveBeenCalledTimes(6); // after 0, 1, 3, 7, 15 and 31 s
    });

    test("a key that is published two seconds late is found by the next token", async () => {
      const { published, verify, setTime } = await start();
      await expect(verify(signedLate)).rejects.toMatchObject(unknown);
      published.keys.push(late);
      setTime(2);
      await verify(signedLate);
    });

    test("a rotation works at once, although another kid was unknown just before", async () => {
      const { published, fetch, verify } = await start();
      await expect(verify(signed({ kid: "never" }))).rejects.toMatchObject(unknown);
      published.keys = [late];
      await Promise.all(Array.from({ length: 5 }, () => verify(signedLate)));
      expect(fetch).toHaveBeenCalledTimes(2);
    });

    test("a rotation that keeps the kid works at once", async () => {
      const { published, fetch, verify } = await start();
      published.keys = [{ ...late, kid: "one" }];
      await verify(signedBy(other.privateKey, { kid: "one" }));
      expect(fetch).toHaveBeenCalledOnce();
    });

    test("20 forged signatures under a known kid cause one fetch", async () => {
      const { fetch, verify } = await start();
      const forged = signedBy(other.privateKey, { kid: "one" });
      for (let n = 0; n < 20; n += 1)
        await expect(verify(forged)).rejects.toMatchObject({
          detail: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        });
      expect(fetch).toHaveBeenCalledOnce();
      await verify(signed({ kid: "one" }));
    });

    test("a fetch that fails is repeated for the next token", async () => {
      const { published, fetch, verify } = await start();
      published.keys.push(late);
      fetch.mockResolvedValueOnce(new Response(null, { status: 503 }));
      await expect(verify(signedLate)).rejects.toMatchObject({ code: "portal_failed" });
      await verify(signedLate);
    });

    test("the keys are fetched again after ten minutes", async () => {
      const { published, fetch, verify, setTime } = await start();
      published.keys = [late];
      setTime(599);
      await verify(signed({ kid: "one" }));
      setTime(601);
      await expect(verify(signed({ kid: "one" }))).rejects.toMatchObject(unknown);
      expect(fetch).toHaveBeenCalledTimes(2);
    });
  });

  test("of 100 kids the oldest is forgotten first", () => {
    const policy = new RefetchByKid();
    for (let n = 0; n <= 100; n += 1) policy.recordMiss(`kid ${n}`);
    expect([0, 1, 100, 101].map((n) => policy.mayRefetch(`kid ${n}`))).toEqual([true, false, false, true]);
  });

  test("without a kid only twenty keys are tried", async () => {
    const strangers = (count: number) => Array.from({ length: count }, () => ({ ...stranger }));
    const { kid: _, ...ours } = jwk;
    await verifier(answering({ keys: [...strangers(19), ours] }))(signed({}));
    await expect(verifier(answering({ keys: [...strangers(20), ours] }))(signed({}))).rejects.toMatchObject({
      detail: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  test.each(["constructor", "__proto__", "toString"])("a key of the type %s is skipped", async (kty) => {
    await verifier(answering({ keys: [{ kty, kid: "one", alg: kty }, jwk] }))(signed({ kid: "one" }));
    await expect(
      verifier(answering({ keys: [{ kty, kid: "one" }] }))(signed({ kid: "one" })),
    ).rejects.toMatchObject({
      code: "id_token_signature_invalid",
    });
  });
});
