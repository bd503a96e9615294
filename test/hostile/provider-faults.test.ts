import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { LocalProvider, Responder as PortalAnswer } from "../../lib/testing/provider/local-provider.js";
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

// A provider that breaks, at each of its endpoints and at each moment of a response.

const EVERYWHERE = Object.keys(ENDPOINTS) as Endpoint[];
/** Endpoints whose response is read, and not only its status. */
const READ = EVERYWHERE.filter((place) => place !== "revocation");

type Row = readonly [name: string, source: string, fault: PortalAnswer, told: ExpectedCode];

/** Endpoints that the app calls with GET, which it repeats once after a reset, and those resets. */
const REPEATED: readonly Endpoint[] = ["discovery", "keys", "userinfo"];
const RESETS: readonly PortalAnswer[] = [faults.resetsAtOnce, faults.resetsInTheHeaders];

const lying =
  (fault: PortalAnswer, place: Endpoint): InjectFault =>
  ({ provider }) =>
    provider.answerNext(
      ENDPOINTS[place].path,
      fault,
      RESETS.includes(fault) && REPEATED.includes(place) ? 2 : 1,
    );

/** Runs each fault at each of these endpoints. It occurs once (or at each try), and the next try passes. */
const everywhere = (rows: readonly Row[], places = EVERYWHERE, setting: Setting = {}): Case[] =>
  rows.flatMap(([name, source, fault, told]) =>
    places.map((place): Case => {
      const { reach, fails, nextTryPasses } = ENDPOINTS[place];
      const code = expectedCodeAt(told, place);
      return {
        ...setting,
        name: `${place}: ${name}`,
        source,
        attack: reach(lying(fault, place)),
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
  ...everywhere([
    ["500 with a page", HTTP, faults.sendHtml(500), "portal_failed"],
    ["503 without a body", HTTP, faults.sendText(503, ""), "portal_failed"],
    ["502 as JSON", HTTP, faults.sendJson(502, { error: CANARY }), "portal_failed"],
    ["429", "RFC 6585, section 4", faults.sendText(429, CANARY), "portal_failed"],
    [
      "503 with a word in Retry-After",
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
    ["nothing", RFC6749, faults.sendText(200, "", JSON_TYPE), BAD_JSON],
    ["204", HTTP, faults.sendText(204, ""), BAD_JSON],
    ["an empty object", RFC6749, faults.sendJson(200, {}), BAD_JSON],
    ["silence", "the option httpTimeout", faults.neverResponds, "portal_timeout"],
    ["half an answer, and then nothing", "the option httpTimeout", faults.stopsMidway, "portal_timeout"],
    ["a byte now and then", "the option httpTimeout", faults.sendsSlowly, "portal_timeout"],
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
    ["an end before its length", CHUNKS, faults.endsBeforeLength, "portal_unreachable"],
    ["an end without a last chunk", CHUNKS, faults.endsWithoutLastChunk, "portal_unreachable"],
    ["no HTTP", CHUNKS, faults.sendsOtherProtocol, "portal_unreachable"],
    ["a status beyond all", HTTP, faults.sendStatusLine("999 What"), "portal_failed"],
  ]),
  ...everywhere(
    [
      ["50 MB", "CWE-400", faults.validHugeBody, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", faults.validGzipBomb, TOO_LONG],
    ],
    READ,
    // with rotation, only the refresh token in the lost response would be valid for the next try
    { provider: { rotateRefreshTokens: false } },
  ),
  ...everywhere(
    [
      ["50 MB", "CWE-400", faults.hugeBody, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", faults.gzipBomb, TOO_LONG],
    ],
    ["revocation"],
  ),
  ...everywhere(
    [
      [
        "401 with a challenge",
        "RFC 9110, section 11.6.1",
        faults.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
        UNAUTHORIZED,
      ],
    ],
    // for which it has a meaning: see documented-errors.test.ts
    EVERYWHERE.filter((place) => place !== "userinfo"),
  ),
]);

/** Expects that the app has sent no parameter, secret or token to the other provider. */
const sentNowhereElse: Outcome = (_answer, { other }) => void expect(other.requests).toEqual([]);

describeAttacks(
  "does not follow a redirect to another provider",
  EVERYWHERE.flatMap((place) =>
    [302, 303, 307, 308].map((status): Case => {
      const { path, reach, fails } = ENDPOINTS[place];
      return {
        name: `${place}: ${status}`,
        source: "RFC 9700, section 4.12",
        other: { document: "full" },
        attack: reach(({ provider, other }) =>
          provider.answerNext(path, faults.redirectsTo(status, `${other.issuer}${path}`)),
        ),
        outcome: allOf(fails(expectedCodeAt(BAD_JSON, place)), sentNowhereElse),
      };
    }),
  ),
);

/** A good response that is odd: harmless at all endpoints, or at some of them. */
const odd = (
  name: string,
  source: string,
  answer: PortalAnswer,
  told: Partial<Record<Endpoint, ExpectedCode>> = {},
): Case[] =>
  READ.map((place): Case => {
    const { reach, passes, fails } = ENDPOINTS[place];
    const failure = told[place];
    return {
      name: `${place}: ${name}`,
      source,
      attack: reach(lying(answer, place)),
      outcome: failure === undefined ? passes : fails(expectedCodeAt(failure, place)),
    };
  });
const unreadable = Object.fromEntries(READ.map((place) => [place, BAD_JSON]));
const levels = (count: number) => "[".repeat(count) + "]".repeat(count);

describeAttacks("accepts a good response that is written oddly", [
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
    // A wrong type gains an attacker nothing, because the signature of the ID token decides.
    odd(
      `its content type is ${JSON.stringify(type)}`,
      "RFC 6749, section 5.1; RFC 8259, section 8.1",
      faults.rewritten((json) => ({ body: json, headers: { "content-type": type } })),
      type === "application/jwt" ? { userinfo: "userinfo_invalid" } : {}, // JSON is not a JWT
    ),
  ),
  ...odd(
    "with a byte order mark",
    "RFC 8259, section 8.1: a reader may take it",
    faults.rewritten((json) => ({ body: `\ufeff${json}`, headers: JSON_TYPE })),
  ),
  ...odd(
    "in UTF-16",
    "RFC 8259, section 8.1",
    faults.rewritten((json) => ({ body: Buffer.from(json, "utf16le"), headers: JSON_TYPE })),
    unreadable,
  ),
  ...odd(
    "with a Set-Cookie and a redirect in its headers",
    "RFC 9110, section 10.2.2",
    faults.rewritten((json) => ({
      body: json,
      headers: { ...JSON_TYPE, "set-cookie": `portal-session=${CANARY}`, location: "http://127.0.0.1:1/" },
    })),
  ),
  ...odd(
    "with a member of 10,000 levels",
    "CWE-674",
    faults.rewritten((json) => ({
      body: json.replace(/}$/, `,"about":${levels(10_000)}}`),
      headers: JSON_TYPE,
    })),
    { userinfo: "portal_answer_invalid" }, // where the whole response would be saved
  ),
  ...odd("late, and in time", "the option httpTimeout", faults.delayed(300)),
  ...odd("byte by byte, and in time", "the option httpTimeout", faults.byteByByte),
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
const OPTIONAL_ADDRESSES = ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"];
const nobodysAddresses = Object.fromEntries(OPTIONAL_ADDRESSES.map((name) => [name, "http://127.0.0.1:1/"]));

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
        ["plain http elsewhere", "http://portal.example/x"],
        ["with a password", "http://a:b@127.0.0.1:1/x"],
        ["an address of nothing", "https://"],
      ] as const
    ).map(([what, value]) =>
      discovered(`${name} ${what}`, DOCUMENT, { [name]: value }, rejectedWith("discovery_invalid")),
    ),
  ),
  ...OPTIONAL_ADDRESSES.map((name) =>
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
  discovered(
    "algorithms that are a text",
    DOCUMENT,
    { id_token_signing_alg_values_supported: "RS256" },
    signedIn,
  ),
  // RS256 is the default
  discovered("no algorithms", DOCUMENT, { id_token_signing_alg_values_supported: [] }, signedIn),
  discovered(
    "algorithms of any type",
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
    "iss announced in words",
    "RFC 9207, section 3",
    { authorization_response_iss_parameter_supported: "yes" },
    signedIn,
  ),
  {
    name: "an authorization endpoint with parameters of its own",
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
        JSON.stringify(document).replace(/}$/, `,"__proto__":${JSON.stringify(nobodysAddresses)}}`),
      ),
    async attack(world) {
      await hasUserInfo(await signInThenFetch(USERINFO)(world), world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    outcome: signedOut,
  },
]);

function sentS256(...[answer, world]: Parameters<Outcome>) {
  const [asked] = world.provider.requests.filter(({ path }) => path === "/oauth2/authorize");
  expect(new URLSearchParams(asked?.url.split("?")[1]).get("code_challenge_method")).toBe("S256");
  return signedIn(answer, world);
}

/** Replaces the key set from now on. */
const keys = (
  name: string,
  change: (keys: Record<string, unknown>[]) => unknown,
  outcome: Outcome,
): Case => ({
  name,
  source: "RFC 7517, section 5: what is not understood is ignored",
  fault: (provider) => provider.alterKeys((jwks) => change(jwks.keys as Record<string, unknown>[])),
  outcome,
});
const others = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...strangersJwk, kid: `another-${index}` }));
const strangersJwk = createAttackerKey().jwk;

describeAttacks("ignores odd keys", [
  keys("a thousand others", (good) => ({ keys: [...others(500), ...good, ...others(500)] }), signedIn),
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
  ).flatMap(([what, key]) => [
    keys(`${what} before the good one`, (good) => ({ keys: [key, ...good] }), signedIn),
    keys(`${what} after the good one`, (good) => ({ keys: [...good, key] }), signedIn),
  ]),
  keys(
    "a key with a member of 10,000 levels before the good one",
    (good) => `{"keys":[{"kty":"RSA","kid":"deep","about":${levels(10_000)}},${JSON.stringify(good[0])}]}`,
    signedIn,
  ),
  keys(
    "a member of 10,000 levels in the good one",
    (good) => `{"keys":[${JSON.stringify(good[0]).replace(/}$/, `,"about":${levels(10_000)}}`)}]}`,
    signedIn,
  ),
  keys(
    "a broken key of the same kid before the good one",
    (good) => ({ keys: [{ ...good[0], n: "AA" }, ...good] }),
    signedIn,
  ),
  keys("the good key twice", (good) => ({ keys: [...good, ...good] }), signedIn),
  keys("the member spelt Keys", (good) => ({ Keys: good }), signedIn),
  keys("none", () => ({ keys: [] }), rejectedWith("id_token_signature_invalid")),
  keys(
    "an object in place of a list",
    (good) => ({ keys: { 0: good[0] } }),
    rejectedWith("portal_answer_invalid"),
  ),
  keys(
    "the private key by mistake",
    (good) => ({ keys: good.map((key) => ({ ...key, d: CANARY })) }),
    rejectedWith("id_token_signature_invalid"),
  ),
]);

const codesSent = ({ requests }: LocalProvider): string[] =>
  requests
    .filter(({ path }) => path === TOKEN)
    .flatMap(({ body }) => new URLSearchParams(body).getAll("code"));

describeAttacks("recovers after the provider was unreachable", [
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
    name: "unreachable while the user signs in: the same callback, later, leads to a new login",
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
    name: "unreachable at the logout: the user is signed out of the app all the same",
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

/** A provider that requests a pause of an hour gets the next request after a minute. */
describeAttacks(
  "a Retry-After of an hour",
  READ.map((place): Case => {
    const { reach, fails, nextTryPasses } = ENDPOINTS[place];
    const fault = faults.sendText(429, CANARY, { "retry-after": "3600" });
    return {
      name: place,
      source: "RFC 9110, section 10.2.3",
      fault: (_portal, world) => advanceClock(world, 0),
      attack: reach(lying(fault, place)),
      outcome: allOf(fails("portal_failed"), async (_answer, world) => {
        await advanceClock(world, 61);
        await nextTryPasses(world);
      }),
    };
  }),
);

/** After an hour the provider is discovered again, and the earlier document stays in use meanwhile. */
const renewal = (
  name: string,
  fault: (provider: LocalProvider) => void,
  setting: Partial<Case> = {},
): Case => ({
  ...setting,
  name: `${name}: the earlier document stays in use`,
  source: "guide, troubleshooting",
  fault: (_portal, world) => advanceClock(world, 0),
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
const instead = (answer: PortalAnswer) => (provider: LocalProvider) => provider.answerNext(DISCOVERY, answer);
const saying = (members: Record<string, unknown>) => (provider: LocalProvider) =>
  provider.alterDiscovery((document) => ({ ...document, ...members }));

describeAttacks("keeps the earlier document if a later discovery fails", [
  renewal("500 with a page", instead(faults.sendHtml(500))),
  renewal("200 with a page", instead(faults.sendHtml(200))),
  renewal("two resets", (provider) => provider.answerNext(DISCOVERY, faults.resetsAtOnce, 2)),
  renewal("silence", instead(faults.neverResponds), { options: SHORT_TIMEOUT }),
  renewal("another issuer", saying({ issuer: "https://evil.example" })),
  renewal("a token endpoint over plain http", saying({ token_endpoint: "http://portal.example/token" })),
  renewal("no keys", saying({ jwks_uri: undefined })),
]);

/** A process that trusts the certificate authority of our proxies, by NODE_EXTRA_CA_CERTS. */
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

  /** The provider behind a proxy that ends TLS, and an app that knows it by the proxy's URL. */
  async function startSecureWorld(attacked: Host, issuerOf = (front: string) => front) {
    const front = await startTlsFront(() => world.provider.issuer);
    onTestFinished(() => front.close());
    const issuer = issuerOf(front.url);
    const world = await startWorld(attacked, { options: { issuer } });
    const honest = await new Client(front.ca).fetch(front.url + DISCOVERY);
    // the proxy forwards to it
    expect([honest.status, world.provider.requests.splice(0).length]).toEqual([200, 1]);
    return { world, issuer };
  }

  /** Announces https URLs for all endpoints except one. */
  const saysSo = ({ provider }: World, issuer: string, plain: string) =>
    provider.alterDiscovery((document) => ({
      ...JSON.parse(JSON.stringify(document).replaceAll(provider.issuer, issuer)),
      [plain]: `${provider.issuer}/plain`,
    }));

  test("gets no secret if its certificate is not trusted (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(host());
    await rejectedWith("portal_unreachable")(await signIn(world), world);
    expect(world.provider.requests).toEqual([]);
  });

  test("gets no secret if its certificate is for another host (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(trusting(), (front) => front.replace("localhost", "127.0.0.1"));
    await rejectedWith("portal_unreachable")(await signIn(world), world);
    expect(world.provider.requests).toEqual([]);
  });

  test.each(["authorization_endpoint", "token_endpoint", "jwks_uri", ...OPTIONAL_ADDRESSES])(
    `is rejected if its %s is over plain http, although it is on this machine (${DOCUMENT})`,
    async (name) => {
      const { world, issuer } = await startSecureWorld(trusting());
      saysSo(world, issuer, name);
      await rejectedWith("discovery_invalid")(await signIn(world), world);
      expect(world.provider.requests.map(({ path }) => path)).toEqual([DISCOVERY]);
    },
  );

  test("is accepted if only an endpoint that the app does not use is over plain http", async () => {
    const { world, issuer } = await startSecureWorld(trusting());
    saysSo(world, issuer, "service_documentation");
    const { status, headers } = await world.victim.navigate(`${world.base}/login`);
    expect([status, new URL(headers.location ?? "").origin]).toEqual([302, issuer]);
  });
});
