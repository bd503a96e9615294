import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { LocalProvider, Responder as PortalAnswer } from "../../lib/testing/provider/local-provider.js";
import { startTlsFront } from "../support/tls-front.js";
import { later, logInAgainAfter, logInThenAsk } from "./support/acts.js";
import {
  attacks,
  CANARY,
  type Case,
  logIn,
  type Outcome,
  type Setting,
  SHORT_TIMEOUT,
  startWorld,
  useHost,
  type World,
} from "./support/attack.js";
import { Client } from "./support/client.js";
import type { Host } from "./support/host.js";
import { strangersKey } from "./support/jwt.js";
import * as lies from "./support/lies.js";
import { allOf, refused, staysIn, welcomed } from "./support/outcomes.js";
import {
  DISCOVERY,
  KEYS,
  type Lay,
  logInForAMoment,
  PLACES,
  type Place,
  personTold,
  signedOut,
  TOKEN,
  type Told,
  toldAt,
  USERINFO,
} from "./support/places.js";

// A provider that breaks, at each of its endpoints and at each moment of a response.

const EVERYWHERE = Object.keys(PLACES) as Place[];
/** Endpoints whose response is read, and not only its status. */
const READ = EVERYWHERE.filter((place) => place !== "revocation");

type Row = readonly [name: string, source: string, lie: PortalAnswer, told: Told];

/** Endpoints that the app calls with GET, which it repeats once after a reset, and those resets. */
const REPEATED: readonly Place[] = ["discovery", "keys", "userinfo"];
const RESETS: readonly PortalAnswer[] = [lies.resetsAtOnce, lies.resetsInTheHeaders];

const lying =
  (lie: PortalAnswer, place: Place): Lay =>
  ({ portal: provider }) =>
    provider.answerNext(PLACES[place].path, lie, RESETS.includes(lie) && REPEATED.includes(place) ? 2 : 1);

/** Runs each fault at each of these endpoints. It occurs once (or at each try), and the next try passes. */
const everywhere = (rows: readonly Row[], places = EVERYWHERE, setting: Setting = {}): Case[] =>
  rows.flatMap(([name, source, lie, told]) =>
    places.map((place): Case => {
      const { meet, fails, passesNext } = PLACES[place];
      const code = toldAt(told, place);
      return {
        ...setting,
        name: `${place}: ${name}`,
        source,
        act: meet(lying(lie, place)),
        ...(code === "portal_timeout" && { options: SHORT_TIMEOUT }),
        outcome: allOf(fails(code), (_answer, world) => passesNext(world)),
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

attacks("reports a faulty response", [
  ...everywhere([
    ["500 with a page", HTTP, lies.html(500), "portal_failed"],
    ["503 without a body", HTTP, lies.sendText(503, ""), "portal_failed"],
    ["502 as JSON", HTTP, lies.sendJson(502, { error: CANARY }), "portal_failed"],
    ["429", "RFC 6585, section 4", lies.sendText(429, CANARY), "portal_failed"],
    [
      "503 with a word in Retry-After",
      HTTP,
      lies.sendText(503, "", { "retry-after": CANARY }),
      "portal_failed",
    ],
    ["404 with a page", HTTP, lies.html(404), NOT_FOUND],
    ["200 with a page", RFC6749, lies.html(200), BAD_JSON],
    ["invalid JSON", RFC6749, lies.sendText(200, `{"${CANARY}`, JSON_TYPE), BAD_JSON],
    ["a list", RFC6749, lies.sendJson(200, [CANARY]), BAD_JSON],
    ["null", RFC6749, lies.sendJson(200, null), BAD_JSON],
    ["a text in JSON", RFC6749, lies.sendJson(200, CANARY), BAD_JSON],
    ["no content type", RFC6749, lies.sendText(200, "{}"), BAD_JSON],
    ["nothing", RFC6749, lies.sendText(200, "", JSON_TYPE), BAD_JSON],
    ["204", HTTP, lies.sendText(204, ""), BAD_JSON],
    ["an empty object", RFC6749, lies.sendJson(200, {}), BAD_JSON],
    ["silence", "the option httpTimeout", lies.silence, "portal_timeout"],
    ["half an answer, and then nothing", "the option httpTimeout", lies.stopsInTheMiddle, "portal_timeout"],
    ["a byte now and then", "the option httpTimeout", lies.drips, "portal_timeout"],
    ["1 MB of headers", "CWE-400", lies.endlessHeaders, "portal_unreachable"],
    [
      "a gzip header with invalid data",
      CODING,
      lies.sendText(200, CANARY, { "content-encoding": "gzip" }),
      "portal_unreachable",
    ],
    [
      "an unknown content coding",
      CODING,
      lies.sendText(200, CANARY, { "content-encoding": "moon" }),
      BAD_JSON,
    ],
    ["reset at once", CHUNKS, lies.resetsAtOnce, "portal_unreachable"],
    ["reset in the headers", CHUNKS, lies.resetsInTheHeaders, "portal_unreachable"],
    ["reset in the body", CHUNKS, lies.resetsInTheBody, "portal_unreachable"],
    ["an end before its length", CHUNKS, lies.endsTooEarly, "portal_unreachable"],
    ["an end without a last chunk", CHUNKS, lies.endsWithoutALastChunk, "portal_unreachable"],
    ["no HTTP", CHUNKS, lies.speaksInTongues, "portal_unreachable"],
    ["a status beyond all", HTTP, lies.withStatusLine("999 What"), "portal_failed"],
  ]),
  ...everywhere(
    [
      ["50 MB", "CWE-400", lies.goodAndEndless, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", lies.goodBomb, TOO_LONG],
    ],
    READ,
    // with rotation, only the refresh token in the lost response would be valid for the next try
    { portal: { rotateRefreshTokens: false } },
  ),
  ...everywhere(
    [
      ["50 MB", "CWE-400", lies.endless, TOO_LONG],
      ["50 MB in a few kilobytes", "CWE-409", lies.bomb, TOO_LONG],
    ],
    ["revocation"],
  ),
  ...everywhere(
    [
      [
        "401 with a challenge",
        "RFC 9110, section 11.6.1",
        lies.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
        UNAUTHORIZED,
      ],
    ],
    // for which it has a meaning: see documented-answers.test.ts
    EVERYWHERE.filter((place) => place !== "userinfo"),
  ),
]);

/** Expects that the app has sent no parameter, secret or token to the other provider. */
const sentNowhereElse: Outcome = (_answer, { other }) => void expect(other.requests).toEqual([]);

attacks(
  "does not follow a redirect to another provider",
  EVERYWHERE.flatMap((place) =>
    [302, 303, 307, 308].map((status): Case => {
      const { path, meet, fails } = PLACES[place];
      return {
        name: `${place}: ${status}`,
        source: "RFC 9700, section 4.12",
        other: { document: "full" },
        act: meet(({ portal: provider, other }) =>
          provider.answerNext(path, lies.sendsElsewhere(status, `${other.issuer}${path}`)),
        ),
        outcome: allOf(fails(toldAt(BAD_JSON, place)), sentNowhereElse),
      };
    }),
  ),
);

/** A good response that is odd: harmless at all endpoints, or at some of them. */
const odd = (
  name: string,
  source: string,
  answer: PortalAnswer,
  told: Partial<Record<Place, Told>> = {},
): Case[] =>
  READ.map((place): Case => {
    const { meet, passes, fails } = PLACES[place];
    const failure = told[place];
    return {
      name: `${place}: ${name}`,
      source,
      act: meet(lying(answer, place)),
      outcome: failure === undefined ? passes : fails(toldAt(failure, place)),
    };
  });
const unreadable = Object.fromEntries(READ.map((place) => [place, BAD_JSON]));
const levels = (count: number) => "[".repeat(count) + "]".repeat(count);

attacks("accepts a good response that is written oddly", [
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
      lies.rewritten((json) => ({ body: json, headers: { "content-type": type } })),
      type === "application/jwt" ? { userinfo: "userinfo_invalid" } : {}, // JSON is not a JWT
    ),
  ),
  ...odd(
    "with a byte order mark",
    "RFC 8259, section 8.1: a reader may take it",
    lies.rewritten((json) => ({ body: `\ufeff${json}`, headers: JSON_TYPE })),
  ),
  ...odd(
    "in UTF-16",
    "RFC 8259, section 8.1",
    lies.rewritten((json) => ({ body: Buffer.from(json, "utf16le"), headers: JSON_TYPE })),
    unreadable,
  ),
  ...odd(
    "with a Set-Cookie and a redirect in its headers",
    "RFC 9110, section 10.2.2",
    lies.rewritten((json) => ({
      body: json,
      headers: { ...JSON_TYPE, "set-cookie": `portal-session=${CANARY}`, location: "http://127.0.0.1:1/" },
    })),
  ),
  ...odd(
    "with a member of 10,000 levels",
    "CWE-674",
    lies.rewritten((json) => ({
      body: json.replace(/}$/, `,"about":${levels(10_000)}}`),
      headers: JSON_TYPE,
    })),
    { userinfo: "portal_answer_invalid" }, // where the whole response would be saved
  ),
  ...odd("late, and in time", "the option httpTimeout", lies.late(300)),
  ...odd("byte by byte, and in time", "the option httpTimeout", lies.inPieces),
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
  lie: (provider) => provider.alterDiscovery((document) => ({ ...document, ...members })),
  outcome,
});
const DOCUMENT = "OpenID Connect Discovery 1.0, section 3";

/** Members that the provider's own document omits. */
const OPTIONAL_ADDRESSES = ["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"];
const nobodysAddresses = Object.fromEntries(OPTIONAL_ADDRESSES.map((name) => [name, "http://127.0.0.1:1/"]));

attacks("rejects a wrong discovery document, or ignores its wrong members", [
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
      discovered(`${name} ${what}`, DOCUMENT, { [name]: value }, refused("discovery_invalid")),
    ),
  ),
  ...OPTIONAL_ADDRESSES.map((name) =>
    discovered(`${name} a script`, DOCUMENT, { [name]: "javascript:alert(1)" }, refused("discovery_invalid")),
  ),
  discovered("issuer missing", DOCUMENT, { issuer: undefined }, refused("discovery_invalid")),
  discovered("issuer null", DOCUMENT, { issuer: null }, refused("discovery_invalid")),
  discovered("issuer a list", DOCUMENT, { issuer: ["x"] }, refused("discovery_invalid")),
  discovered(
    "issuer of another provider",
    `${DOCUMENT}; CVE-2017-17091's kind`,
    { issuer: "https://evil.example" },
    refused("issuer_mismatch"),
  ),
  discovered(
    "algorithms that are a text",
    DOCUMENT,
    { id_token_signing_alg_values_supported: "RS256" },
    welcomed,
  ),
  // RS256 is the default
  discovered("no algorithms", DOCUMENT, { id_token_signing_alg_values_supported: [] }, welcomed),
  discovered(
    "algorithms of any type",
    DOCUMENT,
    { id_token_signing_alg_values_supported: [null, {}, 1, "RS256"] },
    welcomed,
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
    welcomed,
  ),
  {
    name: "an authorization endpoint with parameters of its own",
    source: "RFC 6749, section 3.1",
    lie: (provider) =>
      provider.alterDiscovery((document) => ({
        ...document,
        authorization_endpoint: `${document["authorization_endpoint"]}?state=evil&redirect_uri=https://evil.example&tenant=a`,
      })),
    act: ({ victim, base }) => victim.navigate(`${base}/login`),
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
    lie: (provider) =>
      provider.alterDiscovery((document) =>
        JSON.stringify(document).replace(/}$/, `,"__proto__":${JSON.stringify(nobodysAddresses)}}`),
      ),
    async act(world) {
      await personTold(await logInThenAsk(USERINFO)(world), world);
      return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
    },
    outcome: signedOut,
  },
]);

function sentS256(...[answer, world]: Parameters<Outcome>) {
  const [asked] = world.portal.requests.filter(({ path }) => path === "/oauth2/authorize");
  expect(new URLSearchParams(asked?.url.split("?")[1]).get("code_challenge_method")).toBe("S256");
  return welcomed(answer, world);
}

/** Replaces the key set from now on. */
const keys = (
  name: string,
  change: (keys: Record<string, unknown>[]) => unknown,
  outcome: Outcome,
): Case => ({
  name,
  source: "RFC 7517, section 5: what is not understood is ignored",
  lie: (provider) => provider.alterKeys((jwks) => change(jwks.keys as Record<string, unknown>[])),
  outcome,
});
const others = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...strangersJwk, kid: `another-${index}` }));
const strangersJwk = strangersKey().jwk;

attacks("ignores odd keys", [
  keys("a thousand others", (good) => ({ keys: [...others(500), ...good, ...others(500)] }), welcomed),
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
    keys(`${what} before the good one`, (good) => ({ keys: [key, ...good] }), welcomed),
    keys(`${what} behind the good one`, (good) => ({ keys: [...good, key] }), welcomed),
  ]),
  keys(
    "a key with a member of 10,000 levels before the good one",
    (good) => `{"keys":[{"kty":"RSA","kid":"deep","about":${levels(10_000)}},${JSON.stringify(good[0])}]}`,
    welcomed,
  ),
  keys(
    "a member of 10,000 levels in the good one",
    (good) => `{"keys":[${JSON.stringify(good[0]).replace(/}$/, `,"about":${levels(10_000)}}`)}]}`,
    welcomed,
  ),
  keys(
    "a broken key of the same kid before the good one",
    (good) => ({ keys: [{ ...good[0], n: "AA" }, ...good] }),
    welcomed,
  ),
  keys("the good key twice", (good) => ({ keys: [...good, ...good] }), welcomed),
  keys("the member spelt Keys", (good) => ({ Keys: good }), welcomed),
  keys("none", () => ({ keys: [] }), refused("id_token_signature_invalid")),
  keys(
    "an object in place of a list",
    (good) => ({ keys: { 0: good[0] } }),
    refused("portal_answer_invalid"),
  ),
  keys(
    "the private key by mistake",
    (good) => ({ keys: good.map((key) => ({ ...key, d: CANARY })) }),
    refused("id_token_signature_invalid"),
  ),
]);

const codesSent = ({ requests }: LocalProvider): string[] =>
  requests
    .filter(({ path }) => path === TOKEN)
    .flatMap(({ body }) => new URLSearchParams(body).getAll("code"));

attacks("recovers after the provider was unreachable", [
  {
    name: "discovery fails when the app starts, and works later",
    source: "guide, troubleshooting",
    async act(world) {
      world.portal.goDown();
      const page = await world.victim.visit(`${world.base}/`);
      const guarded = await world.victim.visit(`${world.base}/account`);
      expect([page.status, guarded.status]).toEqual([200, 503]);
      expect(guarded.body).toContain("portal_unreachable");
      await world.portal.comeUp();
      return logIn(world);
    },
    outcome: welcomed,
  },
  {
    name: "discovery fails when the user comes back to another process: the same callback works later",
    source: "guide, troubleshooting",
    async act({ host, portal: provider, base }) {
      // The same app, restarted: it accepts the same login cookies, and it has not discovered the provider
      // yet.
      const restarted = await startWorld(host, {
        options: { issuer: provider.issuer, redirectUri: `${base}/callback` },
      });
      const { victim, base: newBase } = restarted;
      const { search } = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      provider.answerNext(DISCOVERY, lies.html(500));
      const callback = `${newBase}/callback${search}`;
      await refused("portal_failed")(await victim.visit(callback, { site: "cross-site" }), restarted);
      const answer = await victim.visit(callback, { site: "cross-site" });
      await welcomed(answer, restarted);
      expect(codesSent(provider)).toEqual([new URLSearchParams(search).get("code")]);
      return answer;
    },
    outcome: ({ status }) => void expect(status).toBe(200),
  },
  {
    name: "unreachable while the user signs in: the same callback, later, leads to a new login",
    source: "RFC 6749, section 4.1.2",
    async act({ victim, base, portal: provider }) {
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
    outcome: welcomed,
  },
  {
    name: "unreachable at the logout: the user is signed out of the app all the same",
    source: "guide, sign-out",
    async act(world) {
      await logIn(world);
      world.portal.goDown();
      return world.victim.fetch(`${world.base}/logout`, { method: "POST" });
    },
    async outcome({ status }, { victim, whoIs }) {
      expect([status, await whoIs(victim)]).toEqual([200, undefined]);
    },
  },
  {
    name: "the key endpoint fails while the keys are known: the app does not call it",
    source: "guide, troubleshooting",
    act: logInAgainAfter(({ portal: provider }) => provider.answerNext(KEYS, lies.html(500))),
    async outcome(answer, world) {
      await welcomed(answer, world);
      expect(world.asked(KEYS)).toHaveLength(1);
      world.portal.clearFaults();
    },
  },
  {
    name: "the key endpoint fails at a refresh: the new refresh token is saved, and the next try passes",
    source: "OpenID Connect Core 1.0, section 12.2",
    async act(world) {
      const { portal: provider, victim, base } = world;
      await logInForAMoment(world);
      await provider.rotateKeys();
      provider.answerNext(KEYS, lies.html(500));
      return victim.fetch(`${base}/token`);
    },
    async outcome(answer, world) {
      await staysIn("portal_failed")(answer, world);
      await PLACES.refresh.passesNext(world); // the first try has used up the earlier refresh token
      expect(world.asked(TOKEN)).toHaveLength(3);
    },
  },
]);

const AN_HOUR = 3601;

/** A provider that requests a pause of an hour gets the next request after a minute. */
attacks(
  "a Retry-After of an hour",
  READ.map((place): Case => {
    const { meet, fails, passesNext } = PLACES[place];
    const lie = lies.sendText(429, CANARY, { "retry-after": "3600" });
    return {
      name: place,
      source: "RFC 9110, section 10.2.3",
      lie: (_portal, world) => later(world, 0),
      act: meet(lying(lie, place)),
      outcome: allOf(fails("portal_failed"), async (_answer, world) => {
        await later(world, 61);
        await passesNext(world);
      }),
    };
  }),
);

/** After an hour the provider is discovered again, and the earlier document stays in use meanwhile. */
const renewal = (
  name: string,
  lie: (provider: LocalProvider) => void,
  setting: Partial<Case> = {},
): Case => ({
  ...setting,
  name: `${name}: the earlier document stays in use`,
  source: "guide, troubleshooting",
  lie: (_portal, world) => later(world, 0),
  async act(world) {
    const { portal: provider, victim, asked } = world;
    await logIn(world);
    await later(world, AN_HOUR);
    lie(provider);
    await victim.jar.removeAllCookies();
    await welcomed(await logIn(world), world);
    await vi.waitFor(() => expect(provider.pendingFaults()).toEqual([]));
    await vi.waitFor(() => expect(asked(DISCOVERY).length).toBeGreaterThan(1));
    await victim.jar.removeAllCookies();
    return logIn(world);
  },
  outcome: welcomed,
});
const instead = (answer: PortalAnswer) => (provider: LocalProvider) => provider.answerNext(DISCOVERY, answer);
const saying = (members: Record<string, unknown>) => (provider: LocalProvider) =>
  provider.alterDiscovery((document) => ({ ...document, ...members }));

attacks("keeps the earlier document if a later discovery fails", [
  renewal("500 with a page", instead(lies.html(500))),
  renewal("200 with a page", instead(lies.html(200))),
  renewal("two resets", (provider) => provider.answerNext(DISCOVERY, lies.resetsAtOnce, 2)),
  renewal("silence", instead(lies.silence), { options: SHORT_TIMEOUT }),
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
    const front = await startTlsFront(() => world.portal.issuer);
    onTestFinished(() => front.close());
    const issuer = issuerOf(front.url);
    const world = await startWorld(attacked, { options: { issuer } });
    const honest = await new Client(front.ca).fetch(front.url + DISCOVERY);
    // the proxy forwards to it
    expect([honest.status, world.portal.requests.splice(0).length]).toEqual([200, 1]);
    return { world, issuer };
  }

  /** Announces https URLs for all endpoints except one. */
  const saysSo = ({ portal: provider }: World, issuer: string, plain: string) =>
    provider.alterDiscovery((document) => ({
      ...JSON.parse(JSON.stringify(document).replaceAll(provider.issuer, issuer)),
      [plain]: `${provider.issuer}/plain`,
    }));

  test("gets no secret if its certificate is not trusted (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(host());
    await refused("portal_unreachable")(await logIn(world), world);
    expect(world.portal.requests).toEqual([]);
  });

  test("gets no secret if its certificate is for another host (RFC 9525, section 6)", async () => {
    const { world } = await startSecureWorld(trusting(), (front) => front.replace("localhost", "127.0.0.1"));
    await refused("portal_unreachable")(await logIn(world), world);
    expect(world.portal.requests).toEqual([]);
  });

  test.each(["authorization_endpoint", "token_endpoint", "jwks_uri", ...OPTIONAL_ADDRESSES])(
    `is rejected if its %s is over plain http, although it is on this machine (${DOCUMENT})`,
    async (name) => {
      const { world, issuer } = await startSecureWorld(trusting());
      saysSo(world, issuer, name);
      await refused("discovery_invalid")(await logIn(world), world);
      expect(world.portal.requests.map(({ path }) => path)).toEqual([DISCOVERY]);
    },
  );

  test("is accepted if only an endpoint that the app does not use is over plain http", async () => {
    const { world, issuer } = await startSecureWorld(trusting());
    saysSo(world, issuer, "service_documentation");
    const { status, headers } = await world.victim.navigate(`${world.base}/login`);
    expect([status, new URL(headers.location ?? "").origin]).toEqual([302, issuer]);
  });
});
