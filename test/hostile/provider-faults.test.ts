import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { LocalProvider, Responder } from "../../lib/testing/provider/local-provider.js";
import { startTlsFront } from "../support/tls-front.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  type Outcome,
  type Setting,
  SHORT_TIMEOUT,
  signIn,
  startWorld,
  useHost,
  type World,
} from "./support/attack.js";
import { Client } from "./support/client.js";
import {
  DISCOVERY,
  ENDPOINTS,
  type Endpoint,
  type ExpectedCode,
  expectedCodeAt,
  hasUserInfo,
  type InjectFault,
  KEYS,
  signedOut,
  signInWithExpiredToken,
  TOKEN,
  USERINFO,
} from "./support/endpoints.js";
import * as faults from "./support/faulty-responses.js";
import type { Host } from "./support/host.js";
import { createAttackerKey } from "./support/jwt.js";
import { allOf, rejectedWith, signedIn, staysSignedIn } from "./support/outcomes.js";
import { advanceClock, signInAgainAfter, signInThenFetch } from "./support/sign-in-steps.js";

// A faulty provider, at each of its endpoints and at each moment of a response.

const ALL_ENDPOINTS = Object.keys(ENDPOINTS) as Endpoint[];
/** Endpoints at which the app reads the body of a response, and not only its status. */
const WITH_BODY = ALL_ENDPOINTS.filter((endpoint) => endpoint !== "revocation");

type Row = readonly [name: string, source: string, fault: Responder, expected: ExpectedCode];

/** Endpoints that the app calls with GET. It repeats a GET once after one of these resets. */
const REPEATED: readonly Endpoint[] = ["discovery", "keys", "userinfo"];
const RESETS: readonly Responder[] = [faults.resetsAtOnce, faults.resetsInTheHeaders];

/** Sends this response at the endpoint, once or for both tries of a GET. */
const respondWith =
  (fault: Responder, endpoint: Endpoint): InjectFault =>
  ({ provider }) => {
    const isRepeated = RESETS.includes(fault) && REPEATED.includes(endpoint);
    provider.answerNext(ENDPOINTS[endpoint].path, fault, isRepeated ? 2 : 1);
  };

/** Runs each fault at each of these endpoints. Expects a failure, and that the next try passes. */
const atEach = (rows: readonly Row[], endpoints = ALL_ENDPOINTS, setting: Setting = {}): Case[] =>
  rows.flatMap(([name, source, fault, expected]) =>
    endpoints.map((endpoint): Case => {
      const { reach, fails, nextTryPasses } = ENDPOINTS[endpoint];
      const code = expectedCodeAt(expected, endpoint);
      return {
        ...setting,
        name: `${endpoint}: ${name}`,
        source,
        attack: reach(respondWith(fault, endpoint)),
        ...(code === "portal_timeout" && { options: SHORT_TIMEOUT }),
        outcome: allOf(fails(code), (_answer, world) => nextTryPasses(world)),
      };
    }),
  );

const BAD_JSON = {
  others: "portal_answer_invalid",
  discovery: "discovery_invalid",
  refresh: "refresh_failed",
} as const;
const NOT_FOUND = { ...BAD_JSON, userinfo: "userinfo_refused" } as const;
const UNAUTHORIZED = { ...BAD_JSON, token: "client_unknown" } as const;
const TOO_LONG = { ...BAD_JSON, discovery: "portal_answer_invalid" } as const;
const JSON_TYPE = { "content-type": "application/json" };
const HTTP = "RFC 9110, section 15";
const CODING = "RFC 9110, section 8.4";
const RFC6749 = "RFC 6749, section 5.1";
const CHUNKS = "RFC 9112, section 8";

describeAttacks("reports a faulty response", [
  ...atEach([
    ["500 with a page", HTTP, faults.sendHtml(500), "portal_failed"],
    ["503 without a body", HTTP, faults.sendText(503, ""), "portal_failed"],
    ["502 as JSON", HTTP, faults.sendJson(502, { error: CANARY }), "portal_failed"],
    ["429", "RFC 6585, section 4", faults.sendText(429, CANARY), "portal_failed"],
    [
      "503 with a text in Retry-After",
      HTTP,
      faults.sendText(503, "", { "retry-after": CANARY }),
      "portal_failed",
    ],
    ["404 with a page", HTTP, faults.sendHtml(404), NOT_FOUND],
    ["200 with a page", RFC6749, faults.sendHtml(200), BAD_JSON],
    ["invalid JSON", RFC6749, faults.sendText(200, `{"${CANARY}`, JSON_TYPE), BAD_JSON],
    ["a list", RFC6749, faults.sendJson(200, [CANARY]), BAD_JSON],
    ["null", RFC6749, faults.sendJson(200, null), BAD_JSON],
    ["a text in JSON", RFC6749, faults.sendJson(200, CANARY), BAD_JSON],
    ["no content type", RFC6749, faults.sendText(200, "{}"), BAD_JSON],
    ["an empty body", RFC6749, faults.sendText(200, "", JSON_TYPE), BAD_JSON],
    ["204", HTTP, faults.sendText(204, ""), BAD_JSON],
    ["an empty object", RFC6749, faults.sendJson(200, {}), BAD_JSON],
    ["no response", "the option httpTimeout", faults.neverResponds, "portal_timeout"],
    ["half a response, and then nothing", "the option httpTimeout", faults.stopsMidway, "portal_timeout"],
    ["a byte every tenth of a second", "the option httpTimeout", faults.sendsSlowly, "portal_timeout"],
    ["1 MB of headers", "CWE-400", faults.hugeHeaders, "portal_unreachable"],
    [
      "a gzip header with invalid data",
      CODING,
      faults.sendText(200, CANARY, { "content-encoding": "gzip" }),
      "portal_unreachable",
    ],
    [
      "an unknown content coding",
      CODING,
      faults.sendText(200, CANARY, { "content-encoding": "moon" }),
      BAD_JSON,
    ],
    ["reset at once", CHUNKS, faults.resetsAtOnce, "portal_unreachable"],
    ["reset in the headers", CHUNKS, faults.resetsInTheHeaders, "portal_unreachable"],
    ["reset in the body", CHUNKS, faults.resetsInTheBody, "portal_unreachable"],
    ["an end before the announced length", CHUNKS, faults.endsBeforeLength, "portal_unreachable"],
    ["an end without a last chunk", CHUNKS, faults.endsWithoutLastChunk, "portal_unreachable"],
    ["another protocol", CHUNKS, faults.sendsOtherProtocol, "portal_unreachable"],
    ["an invalid status", HTTP, faults.sendStatusLine("999 What"), "portal_failed"],
  ]),
  ...atEach(
    [
      ["50 MB", "CWE-400", faults.validHugeBody, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", faults.validGzipBomb, TOO_LONG],
    ],
    WITH_BODY,
    // With rotation, only the refresh token in the lost response would be valid for the next try.
    { provider: { rotateRefreshTokens: false } },
  ),
  ...atEach(
    [
      ["50 MB", "CWE-400", faults.hugeBody, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", faults.gzipBomb, TOO_LONG],
    ],
    ["revocation"],
  ),
  ...atEach(
    [
      [
        "401 with a challenge",
        "RFC 9110, section 11.6.1",
        faults.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
        UNAUTHORIZED,
      ],
    ],
    // for userinfo see documented-errors.test.ts
    ALL_ENDPOINTS.filter((endpoint) => endpoint !== "userinfo"),
  ),
]);

/** Expects that the app has sent no request to the other provider. */
const nothingSentToOther: Outcome = (_answer, { other }) => void expect(other.requests).toEqual([]);

describeAttacks(
  "does not follow a redirect to another provider",
  ALL_ENDPOINTS.flatMap((endpoint) =>
    [302, 303, 307, 308].map((status): Case => {
      const { path, reach, fails } = ENDPOINTS[endpoint];
      return {
        name: `${endpoint}: ${status}`,
        source: "RFC 9700, section 4.12",
        other: { document: "full" },
        attack: reach(({ provider, other }) =>
          provider.answerNext(path, faults.redirectsTo(status, `${other.issuer}${path}`)),
        ),
        outcome: allOf(fails(expectedCodeAt(BAD_JSON, endpoint)), nothingSentToOther),
      };
    }),
  ),
);

/** Sends a valid response in an unusual form. It passes, except at endpoints with an expected code. */
const unusual = (
  name: string,
  source: string,
  responder: Responder,
  expected: Partial<Record<Endpoint, ExpectedCode>> = {},
): Case[] =>
  WITH_BODY.map((endpoint): Case => {
    const { reach, passes, fails } = ENDPOINTS[endpoint];
    const failure = expected[endpoint];
    return {
      name: `${endpoint}: ${name}`,
      source,
      attack: reach(respondWith(responder, endpoint)),
      outcome: failure === undefined ? passes : fails(expectedCodeAt(failure, endpoint)),
    };
  });
const unreadable = Object.fromEntries(WITH_BODY.map((endpoint) => [endpoint, BAD_JSON]));
const nestedLists = (count: number) => "[".repeat(count) + "]".repeat(count);

describeAttacks("accepts a valid response in an unusual form", [
  ...[
    "application/json;charset=UTF-8",
    "application/json; charset=utf-8",
    'application/json; charset="utf-8"',
    "APPLICATION/JSON",
    "application/json;charset=gbk",
    "text/plain",
    "text/html",
    "application/jwt",
    "application/jsonp",
    "application/x-json, application/json",
    "\u00ff\u00fe",
  ].flatMap((type) =>
    // A wrong type is harmless, because the signature of the ID token decides.
    unusual(
      `with the content type ${JSON.stringify(type)}`,
      "RFC 6749, section 5.1; RFC 8259, section 8.1",
      faults.rewritten((json) => ({ body: json, headers: { "content-type": type } })),
      type === "application/jwt" ? { userinfo: "userinfo_invalid" } : {}, // JSON is not a JWT
    ),
  ),
  ...unusual(
    "with a byte order mark",
    "RFC 8259, section 8.1: a reader may ignore it",
    faults.rewritten((json) => ({ body: `\ufeff${json}`, headers: JSON_TYPE })),
  ),
  ...unusual(
    "in UTF-16",
    "RFC 8259, section 8.1",
    faults.rewritten((json) => ({ body: Buffer.from(json, "utf16le"), headers: JSON_TYPE })),
    unreadable,
  ),
  ...unusual(
    "with a Set-Cookie and a redirect in its headers",
    "RFC 9110, section 10.2.2",
    faults.rewritten((json) => ({
      body: json,
      headers: { ...JSON_TYPE, "set-cookie": `portal-session=${CANARY}`, location: "http://127.0.0.1:1/" },
    })),
  ),
  ...unusual(
    "with a member of 10,000 levels",
    "CWE-674",
    faults.rewritten((json) => ({
      body: json.replace(/}$/, `,"about":${nestedLists(10_000)}}`),
      headers: JSON_TYPE,
    })),
    { userinfo: "portal_answer_invalid" }, // because the app would save the whole response
  ),
  ...unusual("late, and before the timeout", "the option httpTimeout", faults.delayed(300)),
  ...unusual("byte by byte, and before the timeout", "the option httpTimeout", faults.byteByByte),
]);

/** Replaces members of the provider's discovery document from now on. */
const discovered = (
  name: string,
  source: string,
  members: Record<string, unknown>,
  outcome: Outcome,
): Case => ({
  name,
  source,
  fault: (provider) => provider.alterDiscovery((document) => ({ ...document, ...members })),
  outcome,
});
const DOCUMENT = "OpenID Connect Discovery 1.0, section 3";

/** Members that the provider's own document omits. */
const OPTIONAL_ENDPOINTS = ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"];
const unreachableEndpoints = Object.fromEntries(
  OPTIONAL_ENDPOINTS.map((name) => [name, "http://127.0.0.1:1/"]),
);

describeAttacks("rejects a wrong discovery document, or ignores its wrong members", [
  ...["authorization_endpoint", "token_endpoint", "jwks_uri"].flatMap((name) =>
    (
      [
        ["missing", undefined],
        ["null", null],
        ["a number", 1],
        ["a list", ["http://127.0.0.1:1/"]],
        ["empty", ""],
        ["a script", "javascript:alert(1)"],
        ["a file", "file:///etc/passwd"],
        ["plain http on another host", "http://portal.example/x"],
        ["with a password", "http://a:b@127.0.0.1:1/x"],
        ["a URL without a host", "https://"],
      ] as const
    ).map(([how, value]) =>
      discovered(`${name} ${how}`, DOCUMENT, { [name]: value }, rejectedWith("discovery_invalid")),
    ),
  ),
  ...OPTIONAL_ENDPOINTS.map((name) =>
    discovered(
      `${name} a script`,
      DOCUMENT,
      { [name]: "javascript:alert(1)" },
      rejectedWith("discovery_invalid"),
    ),
  ),
  discovered("issuer missing", DOCUMENT, { issuer: undefined }, rejectedWith("discovery_invalid")),
  discovered("issuer null", DOCUMENT, { issuer: null }, rejectedWith("discovery_invalid")),
  discovered("issuer a list", DOCUMENT, { issuer: ["x"] }, rejectedWith("discovery_invalid")),
  discovered(
    "issuer of another provider",
    `${DOCUMENT}; CVE-2017-17091's kind`,
    { issuer: "https://evil.example" },
    rejectedWith("issuer_mismatch"),
  ),
  discovered("algorithms in a text", DOCUMENT, { id_token_signing_alg_values_supported: "RS256" }, signedIn),
  // RS256 is the default
  discovered("no algorithms", DOCUMENT, { id_token_signing_alg_values_supported: [] }, signedIn),
  discovered(
    "algorithms of wrong types",
    DOCUMENT,
    { id_token_signing_alg_values_supported: [null, {}, 1, "RS256"] },
    signedIn,
  ),
  discovered(
    "only plain as PKCE method",
    "RFC 9700, section 2.1.1",
    { code_challenge_methods_supported: ["plain"] },
    sentS256,
  ),
  discovered("no PKCE method", "RFC 9700, section 2.1.1", { code_challenge_methods_supported: [] }, sentS256),
  discovered(
    "iss announced with a text",
    "RFC 9207, section 3",
    { authorization_response_iss_parameter_supported: "yes" },
    signedIn,
  ),
  {
    name: "an authorization endpoint with own parameters",
    source: "RFC 6749, section 3.1",
    fault: (provider) =>
      provider.alterDiscovery((document) => ({
        ...document,
        authorization_endpoint: `${document["authorization_endpoint"]}?state=evil&redirect_uri=https://evil.example&tenant=a`,
      })),
    attack: ({ victim, base }) => victim.navigate(`${base}/login`),
    outcome({ status, headers }, { base }) {
      const { searchParams } = new URL(headers.location ?? "");
      expect([status, searchParams.getAll("redirect_uri"), searchParams.get("tenant")]).toEqual([
        302,
        [`${base}/callback`],
        "a",
      ]);
      expect(searchParams.getAll("state")).toEqual([expect.not.stringContaining("evil")]);
    },
  },
  {
    name: "endpoint URLs in __proto__: the app uses those of the profile",
    source: "CWE-1321",
    fault: (provider) =>
      provider.alterDiscovery((document) =>
        JSON.stringify(document).replace(/}$/, `,"__proto__":${JSON.stringify(unreachableEndpoints)}}`),
      ),
    async attack(world) {
      await hasUserInfo(await signInThenFetch(USERINFO)(world), world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    outcome: signedOut,
  },
]);

/** Expects a login with the PKCE method S256. */
function sentS256(...[answer, world]: Parameters<Outcome>) {
  const [request] = world.provider.requests.filter(({ path }) => path === "/oauth2/authorize");
  expect(new URLSearchParams(request?.url.split("?")[1]).get("code_challenge_method")).toBe("S256");
  return signedIn(answer, world);
}

/** Replaces the key set from now on. */
const keys = (
  name: string,
  change: (original: Record<string, unknown>[]) => unknown,
  outcome: Outcome,
): Case => ({
  name,
  source: "RFC 7517, section 5: unknown keys and members are ignored",
  fault: (provider) => provider.alterKeys((jwks) => change(jwks.keys as Record<string, unknown>[])),
  outcome,
});
const attackerKeys = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...attackerJwk, kid: `another-${index}` }));
const attackerJwk = createAttackerKey().jwk;

describeAttacks("ignores unknown and invalid keys", [
  keys(
    "a thousand other keys",
    (original) => ({ keys: [...attackerKeys(500), ...original, ...attackerKeys(500)] }),
    signedIn,
  ),
  ...(
    [
      ["null", null],
      ["a number", 1],
      ["a text", CANARY],
      ["a list", []],
      ["an empty object", {}],
      ["a key of an unknown type", { kty: "moon", kid: "moon" }],
      ["a key whose type is a number", { kty: 1 }],
      ["an RSA key without a modulus", { kty: "RSA", kid: "broken", e: "AQAB" }],
      ["an RSA key whose modulus is a number", { kty: "RSA", kid: "broken", n: 5, e: 3 }],
      ["an EC key on no curve", { kty: "EC", kid: "ec", crv: "P-000", x: "AA", y: "AA" }],
      ["a key with __proto__", JSON.parse('{"__proto__":{"kty":"RSA"},"kid":"proto"}')],
      ["a secret key", { kty: "oct", kid: "oct", k: "AAAA" }],
    ] as const
  ).flatMap(([how, key]) => [
    keys(`${how} before the valid one`, (original) => ({ keys: [key, ...original] }), signedIn),
    keys(`${how} after the valid one`, (original) => ({ keys: [...original, key] }), signedIn),
  ]),
  keys(
    "a key with a member of 10,000 levels before the valid one",
    (original) =>
      `{"keys":[{"kty":"RSA","kid":"deep","about":${nestedLists(10_000)}},${JSON.stringify(original[0])}]}`,
    signedIn,
  ),
  keys(
    "a member of 10,000 levels in the valid one",
    (original) =>
      `{"keys":[${JSON.stringify(original[0]).replace(/}$/, `,"about":${nestedLists(10_000)}}`)}]}`,
    signedIn,
  ),
  keys(
    "a broken key of the same kid before the valid one",
    (original) => ({ keys: [{ ...original[0], n: "AA" }, ...original] }),
    signedIn,
  ),
  keys("the valid key twice", (original) => ({ keys: [...original, ...original] }), signedIn),
  keys("the member spelt Keys", (original) => ({ Keys: original }), signedIn),
  keys("no keys", () => ({ keys: [] }), rejectedWith("id_token_signature_invalid")),
  keys(
    "an object instead of a list",
    (original) => ({ keys: { 0: original[0] } }),
    rejectedWith("portal_answer_invalid"),
  ),
  keys(
    "the private key, published by mistake",
    (original) => ({ keys: original.map((key) => ({ ...key, d: CANARY })) }),
    rejectedWith("id_token_signature_invalid"),
  ),
]);

const codesSent = ({ requests }: LocalProvider): string[] =>
  requests
    .filter(({ path }) => path === TOKEN)
    .flatMap(({ body }) => new URLSearchParams(body).getAll("code"));

describeAttacks("recovers after the provider was unreachable or faulty", [
  {
    name: "discovery fails when the app starts, and works later",
    source: "guide, troubleshooting",
    async attack(world) {
      world.provider.goDown();
      const page = await world.victim.visit(`${world.base}/`);
      const guarded = await world.victim.visit(`${world.base}/account`);
      expect([page.status, guarded.status]).toEqual([200, 503]);
      expect(guarded.body).toContain("portal_unreachable");
      await world.provider.comeUp();
      return signIn(world);
    },
    outcome: signedIn,
  },
  {
    name: "discovery fails when the user comes back to another process: the same callback works later",
    source: "guide, troubleshooting",
    async attack({ host, provider, base }) {
      // The same app, restarted: it accepts the same login cookies, and it has not discovered the provider
      // yet.
      const restarted = await startWorld(host, {
        options: { issuer: provider.issuer, redirectUri: `${base}/callback` },
      });
      const { victim, base: newBase } = restarted;
      const { search } = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      provider.answerNext(DISCOVERY, faults.sendHtml(500));
      const callback = `${newBase}/callback${search}`;
      await rejectedWith("portal_failed")(await victim.visit(callback, { site: "cross-site" }), restarted);
      const answer = await victim.visit(callback, { site: "cross-site" });
      await signedIn(answer, restarted);
      expect(codesSent(provider)).toEqual([new URLSearchParams(search).get("code")]);
      return answer;
    },
    outcome: ({ status }) => void expect(status).toBe(200),
  },
  {
    name: "unreachable while the user signs in: the same callback later leads to a new login",
    source: "RFC 6749, section 4.1.2",
    async attack({ victim, base, provider }) {
      const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      provider.goDown();
      expect((await victim.visit(callback, { site: "cross-site" })).status).toBe(503);
      await provider.comeUp();
      const again = await victim.navigate(callback, { site: "cross-site" });
      expect([again.status, again.headers.location, codesSent(provider)]).toEqual([303, "/account", []]);
      const answer = await victim.visit(`${base}/account`, { site: "cross-site" });
      const codes = codesSent(provider);
      // the first request may have arrived, so the app does not send the code again
      expect(codes).toHaveLength(1);
      expect(codes).not.toContain(callback.searchParams.get("code"));
      return answer;
    },
    outcome: signedIn,
  },
  {
    name: "unreachable at the logout: the user is signed out of the app nevertheless",
    source: "guide, sign-out",
    async attack(world) {
      await signIn(world);
      world.provider.goDown();
      return world.victim.fetch(`${world.base}/logout`, { method: "POST" });
    },
    async outcome({ status }, { victim, signedInUser }) {
      expect([status, await signedInUser(victim)]).toEqual([200, undefined]);
    },
  },
  {
    name: "the key endpoint fails while the keys are known: the app does not call it",
    source: "guide, troubleshooting",
    attack: signInAgainAfter(({ provider }) => provider.answerNext(KEYS, faults.sendHtml(500))),
    async outcome(answer, world) {
      await signedIn(answer, world);
      expect(world.requestsTo(KEYS)).toHaveLength(1);
      world.provider.clearFaults();
    },
  },
  {
    name: "the key endpoint fails at a refresh: the new refresh token is saved, and the next try passes",
    source: "OpenID Connect Core 1.0, section 12.2",
    async attack(world) {
      const { provider, victim, base } = world;
      await signInWithExpiredToken(world);
      await provider.rotateKeys();
      provider.answerNext(KEYS, faults.sendHtml(500));
      return victim.fetch(`${base}/token`);
    },
    async outcome(answer, world) {
      await staysSignedIn("portal_failed")(answer, world);
      await ENDPOINTS.refresh.nextTryPasses(world); // the first try has used up the earlier refresh token
      expect(world.requestsTo(TOKEN)).toHaveLength(3);
    },
  },
]);

const AN_HOUR = 3601;

// A provider that requests a pause of an hour gets the next request after a minute.
describeAttacks(
  "waits at most a minute for a Retry-After of an hour",
  WITH_BODY.map((endpoint): Case => {
    const { reach, fails, nextTryPasses } = ENDPOINTS[endpoint];
    const fault = faults.sendText(429, CANARY, { "retry-after": "3600" });
    return {
      name: endpoint,
      source: "RFC 9110, section 10.2.3",
      fault: (_provider, world) => advanceClock(world, 0),
      attack: reach(respondWith(fault, endpoint)),
      outcome: allOf(fails("portal_failed"), async (_answer, world) => {
        await advanceClock(world, 61);
        await nextTryPasses(world);
      }),
    };
  }),
);

/** Injects a fault when the app discovers the provider again after an hour. Expects that logins succeed. */
const rediscovery = (
  name: string,
  fault: (provider: LocalProvider) => void,
  setting: Partial<Case> = {},
): Case => ({
  ...setting,
  name: `${name}: the earlier document stays in use`,
  source: "guide, troubleshooting",
  fault: (_provider, world) => advanceClock(world, 0),
  async attack(world) {
    const { provider, victim, requestsTo } = world;
    await signIn(world);
    await advanceClock(world, AN_HOUR);
    fault(provider);
    await victim.jar.removeAllCookies();
    await signedIn(await signIn(world), world);
    await vi.waitFor(() => expect(provider.pendingFaults()).toEqual([]));
    await vi.waitFor(() => expect(requestsTo(DISCOVERY).length).toBeGreaterThan(1));
    await victim.jar.removeAllCookies();
    return signIn(world);
  },
  outcome: signedIn,
});
const withDocument = (responder: Responder) => (provider: LocalProvider) =>
  provider.answerNext(DISCOVERY, responder);
const withChanges = (members: Record<string, unknown>) => (provider: LocalProvider) =>
  provider.alterDiscovery((document) => ({ ...document, ...members }));

describeAttacks("keeps the earlier document if a later discovery fails", [
  rediscovery("500 with a page", withDocument(faults.sendHtml(500))),
  rediscovery("200 with a page", withDocument(faults.sendHtml(200))),
  rediscovery("two resets", (provider) => provider.answerNext(DISCOVERY, faults.resetsAtOnce, 2)),
  rediscovery("no response", withDocument(faults.neverResponds), { options: SHORT_TIMEOUT }),
  rediscovery("another issuer", withChanges({ issuer: "https://evil.example" })),
  rediscovery(
    "a token endpoint over plain http",
    withChanges({ token_endpoint: "http://portal.example/token" }),
  ),
  rediscovery("no keys", withChanges({ jwks_uri: undefined })),
]);

/** Starts a process that trusts the certificate authority of our proxies, via NODE_EXTRA_CA_CERTS. */
function useTrustingHost(): () => Host {
  let folder: string;
  beforeAll(async () => {
    const { ca, close } = await startTlsFront(() => "");
    await close();
    folder = await mkdtemp(join(tmpdir(), "portal-ca-"));
    await writeFile(join(folder, "ca.pem"), ca);
    vi.stubEnv("NODE_EXTRA_CA_CERTS", join(folder, "ca.pem"));
  });
  const host = useHost();
  beforeAll(() => void vi.unstubAllEnvs());
  afterAll(() => rm(folder, { recursive: true }));
  return host;
}

describe("a provider over https", () => {
  const host = useHost();
  const trusting = useTrustingHost();

  /** Starts a provider behind a proxy that ends TLS, and an app with the URL of the proxy as issuer. */
  async function startSecureWorld(attacked: Host, issuerOf = (front: string) => front) {
    const front = await startTlsFront(() => world.provider.issuer);
    onTestFinished(() => front.close());
    const issuer = issuerOf(front.url);
    const world = await startWorld(attacked, { options: { issuer } });
    const honest = await new Client(front.ca).fetch(front.url + DISCOVERY);
    // the proxy works
    expect([honest.status, world.provider.requests.splice(0).length]).toEqual([200, 1]);
    return { world, issuer };
  }

  /** Announces https URLs for all endpoints except one. */
  const announceHttps = ({ provider }: World, issuer: string, except: string) =>
    provider.alterDiscovery((document) => ({
      ...JSON.parse(JSON.stringify(document).replaceAll(provider.issuer, issuer)),
      [except]: `${provider.issuer}/plain`,
    }));

  test("gets no request if its certificate is not trusted (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(host());
    await rejectedWith("portal_unreachable")(await signIn(world), world);
    expect(world.provider.requests).toEqual([]);
  });

  test("gets no request if its certificate is for another host (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(trusting(), (front) => front.replace("localhost", "127.0.0.1"));
    await rejectedWith("portal_unreachable")(await signIn(world), world);
    expect(world.provider.requests).toEqual([]);
  });

  test.each(["authorization_endpoint", "token_endpoint", "jwks_uri", ...OPTIONAL_ENDPOINTS])(
    `is rejected if its %s is over plain http, although it is on this machine (${DOCUMENT})`,
    async (name) => {
      const { world, issuer } = await startSecureWorld(trusting());
      announceHttps(world, issuer, name);
      await rejectedWith("discovery_invalid")(await signIn(world), world);
      expect(world.provider.requests.map(({ path }) => path)).toEqual([DISCOVERY]);
    },
  );

  test("is accepted if only an endpoint that the app does not use is over plain http", async () => {
    const { world, issuer } = await startSecureWorld(trusting());
    announceHttps(world, issuer, "service_documentation");
    const { status, headers } = await world.victim.navigate(`${world.base}/login`);
    expect([status, new URL(headers.location ?? "").origin]).toEqual([302, issuer]);
  });
});
