import { expect } from "vitest";
import type { Portal, Answer as PortalAnswer, Writing } from "../../example-app/portal/portal.js";
import type { PortalAuthErrorCode } from "../../lib/index.js";
import { logInAndOut, logInThenAsk } from "./support/acts.js";
import { attacks, CANARY, type Case, logIn, type Outcome, SHORT_TIMEOUT } from "./support/attack.js";
import { strangersKey } from "./support/jwt.js";
import * as lies from "./support/lies.js";
import { refused, staysIn, welcomed } from "./support/outcomes.js";

// A portal that breaks, at each of its endpoints and at each moment of an answer.

const DISCOVERY = "/.well-known/openid-configuration";
const KEYS = "/oauth2/jwks";
const TOKEN = "/oauth2/token";

/** Where a lie is met, and how the person gets there. */
const PLACES = {
  discovery: { path: DISCOVERY, act: logIn, judge: refused },
  keys: { path: KEYS, act: logIn, judge: refused },
  token: { path: TOKEN, act: logIn, judge: refused },
  refresh: { path: TOKEN, act: refreshAfterLogin, judge: staysIn },
  userinfo: { path: "/userinfo", act: logInThenAsk("/userinfo"), judge: staysIn },
} as const;

type Place = keyof typeof PLACES;

/** The login passes, with a token that has ended; who asks for it has it refreshed, and meets the lie then. */
async function refreshAfterLogin(world: Parameters<typeof logIn>[0]) {
  const lie = waitingLies.get(world.portal) as PortalAnswer;
  world.portal.nextTokenAnswer({ expires_in: 0 });
  await logIn(world);
  world.portal.answerNext(TOKEN, lie);
  return world.victim.fetch(`${world.base}/token`);
}
const waitingLies = new WeakMap<Portal, PortalAnswer>();

/** By place, as what the failure is told; a text for all of them. */
type Told = PortalAuthErrorCode | (Partial<Record<Place, PortalAuthErrorCode>> & { others: PortalAuthErrorCode });
type Row = readonly [name: string, source: string, lie: PortalAnswer, told: Told];

function everywhere(rows: readonly Row[]): Case[] {
  return rows.flatMap(([name, source, lie, told]) =>
    (Object.keys(PLACES) as Place[]).map((place): Case => {
      const { path, act, judge } = PLACES[place];
      const code = typeof told === "string" ? told : (told[place] ?? told.others);
      return {
        name: `${place}: ${name}`,
        source,
        lie(portal) {
          if (place === "refresh") waitingLies.set(portal, lie);
          else portal.answerNext(path, lie);
        },
        act,
        ...(code === "portal_timeout" && { options: SHORT_TIMEOUT }),
        outcome: judge(code),
      };
    }),
  );
}

const BAD_JSON = {
  others: "portal_answer_invalid",
  discovery: "discovery_invalid",
  refresh: "refresh_failed",
} as const;
const JSON_TYPE = { "content-type": "application/json" };
const TOO_LONG = { ...BAD_JSON, discovery: "portal_answer_invalid" } as const;
const HTTP = "RFC 9110, section 15";
const RFC6749 = "RFC 6749, section 5.1";
const CHUNKS = "RFC 9112, section 8";

attacks(
  "an answer that is none",
  everywhere([
    ["500 with a page", HTTP, lies.html(500), "portal_failed"],
    ["503 without a body", HTTP, lies.sendText(503, ""), "portal_failed"],
    ["502 as JSON", HTTP, lies.sendJson(502, { error: CANARY }), "portal_failed"],
    ["429", "RFC 6585, section 4", lies.sendText(429, CANARY, { "retry-after": "3600" }), "portal_failed"],
    ["200 with a page", RFC6749, lies.html(200), BAD_JSON],
    ["invalid JSON", RFC6749, lies.sendText(200, `{"${CANARY}`, { "content-type": "application/json" }), BAD_JSON],
    ["a list", RFC6749, lies.sendJson(200, [CANARY]), BAD_JSON],
    ["null", RFC6749, lies.sendJson(200, null), BAD_JSON],
    ["a text in JSON", RFC6749, lies.sendJson(200, CANARY), BAD_JSON],
    ["no content type", RFC6749, lies.sendText(200, "{}"), BAD_JSON],
    ["nothing", RFC6749, lies.sendText(200, "", { "content-type": "application/json" }), BAD_JSON],
    ["204", HTTP, lies.sendText(204, ""), BAD_JSON],
    ["an empty object", RFC6749, lies.sendJson(200, {}), BAD_JSON],
    ["silence", "the option httpTimeout", lies.silence, "portal_timeout"],
    ["half an answer, and then nothing", "the option httpTimeout", lies.stopsInTheMiddle, "portal_timeout"],
    ["a byte now and then", "the option httpTimeout", lies.drips, "portal_timeout"],
    ["50 MB", "CWE-400", lies.endless, TOO_LONG],
    ["50 MB in a few kilobytes", "CWE-409", lies.bomb, TOO_LONG],
    ["reset at once", CHUNKS, lies.resetsAtOnce, "portal_unreachable"],
    ["reset in the headers", CHUNKS, lies.resetsInTheHeaders, "portal_unreachable"],
    ["reset in the body", CHUNKS, lies.resetsInTheBody, "portal_unreachable"],
    ["no HTTP", CHUNKS, lies.speaksInTongues, "portal_unreachable"],
    [
      "a redirect to another host",
      "RFC 9700, section 4.12",
      lies.sendsElsewhere(302, "http://127.0.0.1:1/x"),
      BAD_JSON,
    ],
    [
      "a redirect that repeats the body",
      "RFC 9700, section 4.12",
      lies.sendsElsewhere(307, "http://127.0.0.1:1/x"),
      BAD_JSON,
    ],
    ["a status beyond all", HTTP, lies.withStatusLine("999 What"), { others: "portal_failed" }],
  ]),
);

/** The login's token answer is as it should be, but for these members. */
const member = (name: string, source: string, members: Record<string, unknown>, outcome: Outcome): Case => ({
  name,
  source,
  lie: (portal) => portal.nextTokenAnswer(members),
  outcome,
});

const unusable = (name: string, members: Record<string, unknown>): Case =>
  member(name, RFC6749, members, refused("portal_answer_invalid"));
const usable = (name: string, members: Record<string, unknown>): Case => member(name, RFC6749, members, welcomed);

attacks("a token answer whose members are wrong", [
  unusable("access_token missing", { access_token: undefined }),
  unusable("access_token empty", { access_token: "" }),
  unusable("access_token null", { access_token: null }),
  unusable("access_token a number", { access_token: 1 }),
  unusable("access_token a list", { access_token: [CANARY] }),
  unusable("access_token an object", { access_token: { toString: CANARY } }),
  unusable("token_type missing", { token_type: undefined }),
  unusable("token_type null", { token_type: null }),
  unusable("token_type DPoP", { token_type: "DPoP" }),
  unusable("token_type MAC", { token_type: "mac" }),
  unusable("token_type a list", { token_type: ["Bearer"] }),
  unusable("refresh_token null", { refresh_token: null }),
  unusable("refresh_token a number", { refresh_token: 1 }),
  unusable("refresh_token a list", { refresh_token: [CANARY] }),
  unusable("refresh_token empty", { refresh_token: "" }),
  unusable("scope a list", { scope: ["openid"] }),
  unusable("expires_in a word", { expires_in: "soon" }),
  unusable("expires_in negative", { expires_in: -1 }),
  unusable("id_token a number", { id_token: 1 }),
  unusable("id_token an object", { id_token: { sub: CANARY } }),
  member(
    "id_token missing",
    "OpenID Connect Core 1.0, section 3.1.3.3",
    { id_token: undefined },
    refused("id_token_missing"),
  ),
  member(
    "id_token empty",
    "OpenID Connect Core 1.0, section 3.1.3.3",
    { id_token: "" },
    refused("portal_answer_invalid"),
  ),
]);

attacks("a token answer that is odd, and right", [
  usable("fapi2-security-profile-final-client-test-token-endpoint-response-without-expires_in", {
    expires_in: undefined,
  }),
  usable("fapi2-security-profile-final-client-test-token-type-case-insensitivity", { token_type: "bEaReR" }),
  usable("expires_in a text of digits", { expires_in: "300" }),
  usable("expires_in a list of one number", { expires_in: [300] }),
  usable("expires_in zero", { expires_in: 0 }),
  usable("expires_in with a fraction", { expires_in: 299.5 }),
  usable("expires_in enormous", { expires_in: Number.MAX_VALUE }),
  usable("refresh_token missing", { refresh_token: undefined }),
  usable("scope missing", { scope: undefined }),
  usable("an error beside the tokens", { error: CANARY, error_description: CANARY }),
  usable("members that nobody knows", {
    constructor: { prototype: 1 },
    toString: CANARY,
    hasOwnProperty: null,
    status: 500,
  }),
  usable("refresh_expires_in that is no number", { refresh_expires_in: "never" }),
  usable("refresh_expires_in negative", { refresh_expires_in: -5 }),
]);

/** The portal's own good answer, as the lie writes it. */
const rewritten =
  (write: Writing): Case["lie"] =>
  (portal) =>
    portal.writeNextTokenAnswer(write);

attacks("a token answer that is written oddly", [
  ...(
    [
      ["application/json;charset=UTF-8", welcomed],
      ["application/json; charset=utf-8", welcomed],
      ['application/json; charset="utf-8"', welcomed],
      ["APPLICATION/JSON", welcomed],
      ["application/json;charset=gbk", welcomed],
      ["text/plain", welcomed],
      ["text/html", welcomed],
      ["application/jwt", welcomed],
      ["application/jsonp", welcomed],
      ["application/x-json, application/json", welcomed],
      ["\u00ff\u00fe", welcomed],
    ] as const
  ).map(
    ([type, outcome]): Case => ({
      // a wrong one gains nobody anything: what counts is the signature of the ID token
      name: `its content type is ${JSON.stringify(type)}`,
      source: "RFC 6749, section 5.1; RFC 8259, section 8.1",
      lie: rewritten((json) => ({ body: json, headers: { "content-type": type } })),
      outcome,
    }),
  ),
  {
    name: "with a byte order mark",
    source: "RFC 8259, section 8.1: a reader may take it",
    lie: rewritten((json) => ({ body: `\ufeff${json}`, headers: JSON_TYPE })),
    outcome: welcomed,
  },
  {
    name: "in UTF-16",
    source: "RFC 8259, section 8.1",
    lie: rewritten((json) => ({ body: Buffer.from(json, "utf16le"), headers: JSON_TYPE })),
    outcome: refused("portal_answer_invalid"),
  },
  {
    name: "with access_token twice, the last one a list",
    source: "RFC 6749, section 5.1; RFC 8259, section 4",
    lie: rewritten((json) => ({ body: json.replace(/}$/, `,"access_token":["${CANARY}"]}`), headers: JSON_TYPE })),
    outcome: refused("portal_answer_invalid"),
  },
  {
    name: "with __proto__ and constructor among its members",
    source: "CWE-1321",
    lie: rewritten((json) => ({
      body: json.replace(
        /}$/,
        ',"__proto__":{"isAdmin":true,"refresh_token":"x"},"constructor":{"prototype":{"isAdmin":true}}}',
      ),
      headers: JSON_TYPE,
    })),
    outcome: welcomed,
  },
  {
    name: "with the tokens in __proto__ alone",
    source: "CWE-1321",
    lie: rewritten((json) => ({ body: `{"__proto__":${json}}`, headers: JSON_TYPE })),
    outcome: refused("portal_answer_invalid"),
  },
  {
    name: "with a Set-Cookie and a redirect in its headers",
    source: "RFC 9110, section 10.2.2",
    lie: rewritten((json) => ({
      body: json,
      headers: { ...JSON_TYPE, "set-cookie": `portal-session=${CANARY}`, location: "http://127.0.0.1:1/" },
    })),
    outcome: welcomed,
  },
]);

/** What the portal says in its discovery document from now on. */
const discovered = (name: string, source: string, members: Record<string, unknown>, outcome: Outcome): Case => ({
  name,
  source,
  lie: (portal) => portal.alterDiscovery((document) => ({ ...document, ...members })),
  outcome,
});
const DOCUMENT = "OpenID Connect Discovery 1.0, section 3";

attacks("a discovery document that lies", [
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
    ).map(([what, value]) => discovered(`${name} ${what}`, DOCUMENT, { [name]: value }, refused("discovery_invalid"))),
  ),
  ...["userinfo_endpoint", "revocation_endpoint", "end_session_endpoint"].map((name) =>
    discovered(`${name} a script`, DOCUMENT, { [name]: "javascript:alert(1)" }, refused("discovery_invalid")),
  ),
  discovered("issuer missing", DOCUMENT, { issuer: undefined }, refused("discovery_invalid")),
  discovered("issuer null", DOCUMENT, { issuer: null }, refused("discovery_invalid")),
  discovered("issuer a list", DOCUMENT, { issuer: ["x"] }, refused("discovery_invalid")),
  discovered(
    "issuer of another portal",
    `${DOCUMENT}; CVE-2017-17091's kind`,
    { issuer: "https://evil.example" },
    refused("issuer_mismatch"),
  ),
  discovered("algorithms that are a text", DOCUMENT, { id_token_signing_alg_values_supported: "RS256" }, welcomed),
  discovered("no algorithms", DOCUMENT, { id_token_signing_alg_values_supported: [] }, refused("id_token_invalid")),
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
    lie: (portal) =>
      portal.alterDiscovery((document) => ({
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
    name: "__proto__ among its members",
    source: "CWE-1321",
    lie: (portal) =>
      portal.alterDiscovery((document) =>
        JSON.stringify(document).replace(/}$/, ',"__proto__":{"token_endpoint":"http://127.0.0.1:1/"}}'),
      ),
    outcome: welcomed,
  },
]);

function sentS256(...[answer, world]: Parameters<Outcome>) {
  const [asked] = world.portal.requests.filter(({ path }) => path === "/oauth2/authorize");
  expect(new URLSearchParams(asked?.url.split("?")[1]).get("code_challenge_method")).toBe("S256");
  return welcomed(answer, world);
}

/** The key set from now on. */
const keys = (name: string, change: (keys: Record<string, unknown>[]) => unknown, outcome: Outcome): Case => ({
  name,
  source: "RFC 7517, section 5: what is not understood is ignored",
  lie: (portal) => portal.alterKeys((jwks) => change(jwks.keys as Record<string, unknown>[])),
  outcome,
});
const others = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...strangersJwk, kid: `another-${index}` }));
const strangersJwk = strangersKey().jwk;

attacks("keys that are odd", [
  keys("a thousand others", (good) => ({ keys: [...others(500), ...good, ...others(500)] }), welcomed),
  ...(
    [
      ["null", null],
      ["a number", 1],
      ["a text", CANARY],
      ["a list", []],
      ["an empty object", {}],
      ["a key of a type that nobody knows", { kty: "moon", kid: "moon" }],
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
    "a broken key of the same kid before the good one",
    (good) => ({ keys: [{ ...good[0], n: "AA" }, ...good] }),
    welcomed,
  ),
  keys("the good key twice", (good) => ({ keys: [...good, ...good] }), welcomed),
  keys("the member spelt Keys", (good) => ({ Keys: good }), welcomed),
  keys("none", () => ({ keys: [] }), refused("id_token_signature_invalid")),
  keys("an object in place of a list", (good) => ({ keys: { 0: good[0] } }), refused("portal_answer_invalid")),
  keys(
    "the private key by mistake",
    (good) => ({ keys: good.map((key) => ({ ...key, d: CANARY })) }),
    refused("id_token_signature_invalid"),
  ),
]);

/** Every documented bad answer of the portal's token endpoint: product pages 1148/51481 and 51482. */
const documented = (name: string, lie: PortalAnswer, code: PortalAuthErrorCode): Case => ({
  name,
  source: "the portal's product pages 1148/51481 and 51482",
  lie: (portal) => portal.answerNext(TOKEN, lie),
  outcome: refused(code),
});

attacks("the token endpoint's documented bad answers", [
  documented("client_id missing or wrong: 401, and no body", lies.sendText(401, ""), "client_unknown"),
  documented(
    "a code of another client: 401 invalid_client",
    lies.sendJson(401, { error: "invalid_client" }),
    "client_refused",
  ),
  documented(
    "grant_type wrong",
    lies.sendJson(400, { error: "unsupported_grant_type", error_description: CANARY }),
    "grant_type_refused",
  ),
  documented("code wrong, used or expired", lies.sendJson(400, { error: "invalid_grant" }), "code_refused"),
  documented(
    "another error",
    lies.sendJson(400, { error: "invalid_scope", error_description: CANARY }),
    "token_refused",
  ),
  documented("an error of its own", lies.sendJson(400, { error: "server_error" }), "portal_failed"),
  documented("an error that is a list", lies.sendJson(400, { error: [CANARY] }), "portal_answer_invalid"),
  documented(
    "an error that is a script",
    lies.sendJson(400, { error: `<script>${"x".repeat(9000)}` }),
    "token_refused",
  ),
  documented("an error with line breaks", lies.sendJson(400, { error: "a\r\nSet-Cookie: x=y\r\n" }), "token_refused"),
  documented("an error by the name of __proto__", lies.sendJson(400, { error: "__proto__" }), "token_refused"),
  documented("an error by the name of constructor", lies.sendJson(400, { error: "constructor" }), "token_refused"),
  documented("400 with a page", lies.html(400), "portal_answer_invalid"),
  documented("403 with a page", lies.html(403), "portal_answer_invalid"),
  documented(
    "401 with a challenge",
    lies.sendText(401, "", { "www-authenticate": `Basic realm="${CANARY}"` }),
    "client_unknown",
  ),
]);

attacks("a portal that is away for a while", [
  {
    name: "discovery down when the app starts, and back later",
    source: "design, decision 6",
    async act(world) {
      world.portal.goDown();
      const [page, guarded] = [
        await world.victim.visit(`${world.base}/`),
        await world.victim.visit(`${world.base}/account`),
      ];
      expect([page.status, guarded.status]).toEqual([200, 503]);
      expect(guarded.body).toContain("portal_unreachable");
      await world.portal.comeUp();
      return logIn(world);
    },
    outcome: welcomed,
  },
  {
    name: "down while the person signs in: the same callback works later",
    source: "design, decision 6",
    async act({ victim, base, portal }) {
      const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      portal.goDown();
      expect((await victim.visit(callback)).status).toBe(503);
      await portal.comeUp();
      return victim.visit(callback, { site: "cross-site" });
    },
    outcome: welcomed,
  },
  {
    name: "down at the logout: the person is out here all the same",
    source: "design, what a request meets",
    async act(world) {
      await logIn(world);
      world.portal.goDown();
      return world.victim.fetch(`${world.base}/logout`, { method: "POST" });
    },
    async outcome({ status }, { victim, whoIs }) {
      expect([status, await whoIs(victim)]).toEqual([200, undefined]);
    },
  },
  ...(
    [
      ["silent", lies.silence],
      ["resets", lies.resetsAtOnce],
      ["500 with a page", lies.html(500)],
      ["50 MB", lies.endless],
    ] as const
  ).map(
    ([what, lie]): Case => ({
      name: `revocation ${what}: the person is out here, and sent to the portal's logout`,
      source: "RFC 7009, section 2.2",
      options: SHORT_TIMEOUT,
      lie: (portal) => portal.answerNext("/oauth2/revoke", lie),
      act: logInAndOut,
      async outcome({ status, url }, { victim, whoIs, url: app, portal }) {
        expect([status, url.startsWith(app), await whoIs(victim)]).toEqual([200, true, undefined]);
        expect(portal.requests.filter(({ path }) => path === "/logout")).toHaveLength(1);
      },
    }),
  ),
]);
