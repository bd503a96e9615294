import { request as httpRequest } from "node:http";
import { expect } from "vitest";
import type { LocalProvider, Responder } from "../../lib/testing/provider/local-provider.js";
import { CLIENT_ID, CLIENT_SECRET } from "../support/world.js";
import {
  CANARY,
  type Case,
  describeAttacks,
  describeAttacksOnCluster,
  type Outcome,
  signIn,
  type World,
} from "./support/attack.js";
import { issueExpiredToken, redirectsTo, sendJson, sendText } from "./support/faulty-responses.js";
import { createAttackerKey, findIdToken, hs256, rs256, signingInput } from "./support/jwt.js";
import { allOf, refreshed, rejectedWith, signedIn, staysSignedIn } from "./support/outcomes.js";
import { signInAgainAfter, signInAndOut, signInByForm, signInThenFetch } from "./support/sign-in-steps.js";

// The relying-party tests that the OpenID Foundation publishes with its conformance suite, by their names.
// Omitted are the tests of features that this package does not have, or that other tests cover:
// - dynamic registration, WebFinger, request objects (request_uri), aggregated and distributed claims,
// - userinfo with a token in the body (oidcc-client-test-userinfo-bearer-body),
// - logins that another site starts (oidcc-client-test-3rd-party-init-login): guard-requirements.test.ts,
// - endpoints for clients with a certificate (mtls_endpoint_aliases), session management by iframe.
// Also omitted are tests that concern only the implicit and hybrid flows:
// - c_hash, at_hash in the front channel (-invalid-athash, -missing-athash),
// - a nonce that only these flows require (-nonce-unless-code-flow).

const BASIC = "oidcc-client-basic-certification-test-plan";
const FORM_POST = "oidcc-client-formpost-basic-certification-test-plan";
const CONFIG = "oidcc-client-config-certification-test-plan";
const LOGOUT = "oidcc-client-rp-initiated-logout-rp-basic";
const REFRESH = "oidcc-client-refreshtoken-test-plan";
const ALL = "oidcc-client-test-plan";

/** A standard provider: its discovery document names all endpoints, and it returns the nonce. */
const standard = { provider: { document: "full" }, options: { scope: "openid profile email" } } as const;

/** Expects one request to the provider at this path, and returns its query. */
function queryAt({ requestsTo, provider }: World, path: string): URLSearchParams {
  const urls = requestsTo(path).map(({ url }) => new URL(url, provider.issuer));
  expect(urls.length, `requests to ${path}`).toBe(1);
  return urls[0]?.searchParams ?? new URLSearchParams();
}

/** A case of both profiles. `afterLogin` is a path of the app that is fetched after the login. */
type BasicCase = Omit<Case, "source" | "attack"> & { readonly afterLogin?: string };

const basic: readonly BasicCase[] = [
  { ...standard, name: "oidcc-client-test", outcome: signedIn },
  {
    ...standard,
    name: "oidcc-client-test-invalid-iss",
    fault: (provider) => provider.nextIdToken({ claims: { iss: `${provider.issuer}1` } }),
    outcome: rejectedWith("id_token_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-missing-sub",
    fault: (provider) => provider.nextIdToken({ claims: { sub: undefined } }),
    outcome: rejectedWith("id_token_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-invalid-aud",
    fault: (provider) => provider.nextIdToken({ claims: { aud: "another-client" } }),
    outcome: rejectedWith("id_token_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-missing-iat",
    fault: (provider) => provider.nextIdToken({ claims: { iat: undefined } }),
    outcome: rejectedWith("id_token_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-kid-absent-single-jwks",
    fault: (provider) => provider.nextIdToken({ header: { kid: undefined } }),
    outcome: signedIn,
  },
  {
    ...standard,
    name: "oidcc-client-test-kid-absent-multiple-jwks",
    fault(provider) {
      provider.nextIdToken({ header: { kid: undefined } });
      provider.alterKeys(
        (jwks) => void jwks.keys.unshift({ ...createAttackerKey().jwk, kid: "another", use: "sig" }),
      );
    },
    outcome: signedIn, // with the key that fits: the test allows both results
  },
  { ...standard, name: "oidcc-client-test-idtoken-sig-rs256", outcome: signedIn },
  {
    ...standard,
    name: "oidcc-client-test-idtoken-sig-none",
    fault: (provider) => provider.nextIdToken({ signedBy: "nobody" }),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-invalid-sig-rs256",
    fault: (provider) => provider.nextIdToken({ signedBy: "stranger" }),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-userinfo-invalid-sub",
    fault: (provider) => provider.answerNext("/userinfo", sendJson(200, { sub: "another-user" })),
    afterLogin: "/userinfo",
    outcome: staysSignedIn("userinfo_subject_mismatch"),
  },
  {
    ...standard,
    name: "oidcc-client-test-nonce-invalid",
    fault: (provider) => provider.nextIdToken({ claims: { nonce: "of-another-login" } }),
    outcome: rejectedWith("nonce_mismatch"),
  },
  {
    ...standard,
    name: "oidcc-client-test-scope-userinfo-claims",
    afterLogin: "/userinfo",
    outcome: ({ status, body }, world) => {
      expect(queryAt(world, "/oauth2/authorize").get("scope")).toBe("openid profile email");
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({
        sub: "amara-okafor",
        name: "Amara Okafor",
        email: expect.stringContaining("@"),
      });
    },
  },
  {
    name: "oidcc-client-test-client-secret-basic",
    provider: { document: "full", clientAuth: "client_secret_basic" },
    options: { clientAuth: "client_secret_basic" },
    outcome: allOf(signedIn, (_answer, { requestsTo }) => {
      const [request] = requestsTo("/oauth2/token");
      const [scheme, credentials = ""] = (request?.headers.authorization ?? "").split(" ");
      // RFC 6749, section 2.3.1
      const decoded = decodeURIComponent(Buffer.from(credentials, "base64").toString());
      expect([scheme, decoded]).toEqual(["Basic", `${CLIENT_ID}:${CLIENT_SECRET}`]);
      expect(new URLSearchParams(request?.body).has("client_secret")).toBe(false);
    }),
  },
];

/** Returns the cases of the basic profile with these steps of a login. */
const withLoginBy = (
  enter: NonNullable<Case["attack"]>,
  source: string,
  options: Case["options"] = {},
): Case[] =>
  basic.map(({ afterLogin, ...testCase }) => ({
    ...testCase,
    source,
    options: { ...testCase.options, ...options },
    attack: afterLogin === undefined ? enter : signInThenFetch(afterLogin, enter),
  }));

/** The basic profile at a provider that posts its responses with a page. */
const formPost: readonly Case[] = [
  ...withLoginBy(signInByForm, FORM_POST, { authorizationParams: { response_mode: "form_post" } }),
  {
    name: "oidcc-client-test-form-post-error",
    source: FORM_POST,
    provider: { document: "full" },
    options: { authorizationParams: { response_mode: "form_post", max_age: 0, prompt: "none" } },
    attack: signInByForm,
    outcome: rejectedWith("interaction_needed"),
  },
];

const USUAL_PATHS = {
  authorization_endpoint: "/oauth2/authorize",
  token_endpoint: "/oauth2/token",
  jwks_uri: "/oauth2/jwks",
} as const;

/** The header of requests that are forwarded within the provider. It records them like all others. */
const FORWARDED = "x-test-forwarded";

/** Sends the response of this URL. */
const forwardTo =
  (url: string): Responder =>
  (req, res) => {
    const { search } = new URL(req.url ?? "", url);
    const headers = { ...req.headers, [FORWARDED]: "yes" };
    const request = httpRequest(url + search, { method: req.method ?? "GET", headers }, (response) => {
      res.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(res);
    });
    request.on("error", () => res.destroy());
    req.pipe(request);
  };

/** Moves endpoints to other URLs in the discovery document. The app must not call the usual URLs. */
const moveEndpoints = (...members: (keyof typeof USUAL_PATHS)[]): Pick<Case, "fault" | "outcome"> => ({
  fault(provider) {
    const urls = members.map((member) => [member, `${provider.issuer}/unusual/${member}`]);
    provider.alterDiscovery((document) => ({ ...document, ...Object.fromEntries(urls) }));
    for (const member of members)
      provider.answerNext(`/unusual/${member}`, forwardTo(provider.issuer + USUAL_PATHS[member]));
  },
  outcome: allOf(signedIn, (_answer, { provider }) => {
    const paths = provider.requests
      .filter(({ headers }) => headers[FORWARDED] === undefined)
      .map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(members.map((member) => `/unusual/${member}`)));
    expect(paths.filter((path) => members.some((member) => USUAL_PATHS[member] === path))).toEqual([]);
  }),
});

const config: readonly Case[] = [
  {
    ...standard,
    ...moveEndpoints("authorization_endpoint", "token_endpoint"),
    name: "oidcc-client-test-discovery-openid-config",
    source: CONFIG,
  },
  {
    ...standard,
    ...moveEndpoints("jwks_uri"),
    name: "oidcc-client-test-discovery-jwks-uri-keys",
    source: CONFIG,
  },
  {
    ...standard,
    name: "oidcc-client-test-discovery-issuer-mismatch",
    source: CONFIG,
    fault: (provider) =>
      provider.alterDiscovery((document) => ({ ...document, issuer: `${provider.issuer}/other` })),
    outcome: rejectedWith("issuer_mismatch"),
  },
  {
    ...standard,
    name: "oidcc-client-test-idtoken-sig-none",
    source: CONFIG,
    // no login starts: no announced algorithm can be verified
    fault: (provider) =>
      provider.alterDiscovery((document) => ({
        ...document,
        id_token_signing_alg_values_supported: ["none"],
      })),
    outcome: rejectedWith("discovery_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-signing-key-rotation",
    source: CONFIG,
    attack: signInAgainAfter(({ provider }) => provider.rotateKeys()),
    outcome: signedIn,
  },
  {
    ...standard,
    name: "oidcc-client-test-signing-key-rotation-just-before-signing",
    source: CONFIG,
    async attack({ victim, base, provider }) {
      await victim.visit(`${base}/account`); // the app fetches the keys
      await victim.jar.removeAllCookies();
      const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
      await provider.rotateKeys();
      return victim.visit(callback, { site: "cross-site" });
    },
    outcome: signedIn,
  },
];

const discovery: readonly Case[] = [
  // Discovery accepts one additional slash at the end, and no other difference. Afterwards the issuer of the
  // document counts.
  ...(
    [
      ["with an added slash", (issuer: string) => `${issuer}/`, "response_issuer_mismatch"],
      ["in other case", (issuer: string) => issuer.toUpperCase(), "issuer_mismatch"],
    ] as const
  ).map(
    ([how, change, code]): Case => ({
      ...standard,
      name: `rejects a login at a provider whose document has the issuer ${how}`,
      source: "OpenID Connect Discovery 1.0, section 4.3; RFC 9207, section 2.4",
      fault: (provider) =>
        provider.alterDiscovery((document) => ({ ...document, issuer: change(provider.issuer) })),
      outcome: rejectedWith(code),
    }),
  ),
  {
    ...standard,
    name: "does not use endpoints for clients with a certificate",
    source: "RFC 8705, section 5",
    fault: (provider) =>
      provider.alterDiscovery((document) => {
        const endpoints = Object.keys(document).filter((member) => member.endsWith("_endpoint"));
        const aliases = endpoints.map((member) => [member, `${provider.issuer}/mtls/${member}`]);
        return { ...document, mtls_endpoint_aliases: Object.fromEntries(aliases) };
      }),
    attack: signInThenFetch("/userinfo"),
    outcome({ status }, { provider }) {
      expect([status, provider.requests.filter(({ path }) => path.startsWith("/mtls"))]).toEqual([200, []]);
    },
  },
];

/**
 * Expects that the victim is signed out and back on the start page. The provider has received one request
 * with all parameters of RP-Initiated Logout 1.0, section 2.
 */
const loggedOut =
  (search = (state: string | null) => `?state=${state}`): Outcome =>
  async ({ url, status }, world) => {
    const query = queryAt(world, "/logout");
    expect(query.get("id_token_hint")).toBe(findIdToken(world.provider));
    expect(query.get("post_logout_redirect_uri")).toBe(`${world.url}/`);
    expect(query.get("state")).toMatch(/^[\w-]{20,}$/);
    expect([url, status]).toEqual([`${world.url}/${search(query.get("state"))}`, 200]);
    expect(await world.signedInUser(world.victim)).toBeUndefined();
  };

const logout: readonly Case[] = [
  {
    ...standard,
    name: "oidcc-client-test-rp-init-logout",
    source: LOGOUT,
    attack: signInAndOut,
    outcome: loggedOut(),
  },
  {
    ...standard,
    name: "oidcc-client-test-rp-init-logout-other-state",
    source: LOGOUT,
    fault: (provider, { url }) => provider.answerNext("/logout", redirectsTo(302, `${url}/?state=another`)),
    attack: signInAndOut,
    // harmless, because the user was signed out before the request to the provider
    outcome: loggedOut(() => "?state=another"),
  },
  {
    ...standard,
    name: "oidcc-client-test-rp-init-logout-no-state",
    source: LOGOUT,
    fault: (provider, { url }) => provider.answerNext("/logout", redirectsTo(302, `${url}/`)),
    attack: signInAndOut,
    outcome: loggedOut(() => ""),
  },
];

/** Refreshes the tokens, with these claims in the new ID token. */
const refreshWith = (claims: Record<string, unknown>): Pick<Case, "fault" | "attack"> => ({
  fault(provider) {
    issueExpiredToken(provider);
    provider.nextIdToken({ claims });
  },
  attack: signInThenFetch("/token"),
});

const SECTION_12_2 = "OpenID Connect Core 1.0, section 12.2";

const refresh: readonly Case[] = [
  {
    ...standard,
    ...refreshWith({}),
    name: "oidcc-client-test-refresh-token",
    source: REFRESH,
    outcome: refreshed,
  },
  ...(
    [
      ["oidcc-client-test-refresh-token-invalid-issuer", { iss: "https://another.example" }],
      ["oidcc-client-test-refresh-token-invalid-sub", { sub: "another-user" }],
    ] as const
  ).map(([name, claims]) => ({
    ...standard,
    ...refreshWith(claims),
    name,
    source: REFRESH,
    outcome: rejectedWith("refresh_identity_mismatch"),
  })),
  ...(
    [
      ["rejects a refreshed ID token for another audience", SECTION_12_2, { aud: "another-client" }],
      [
        "rejects a refreshed ID token for one more audience",
        SECTION_12_2,
        { aud: [CLIENT_ID, "another-client"] },
      ],
      ["rejects a refreshed ID token with another azp", SECTION_12_2, { azp: "another-client" }],
    ] as const
  ).map(([name, source, claims]) => ({
    ...standard,
    ...refreshWith(claims),
    name,
    source,
    outcome: staysSignedIn("refresh_failed"),
  })),
  {
    ...standard,
    name: "rejects a refreshed ID token with an azp that the login did not have",
    source: SECTION_12_2,
    fault(provider) {
      provider.nextTokenResponse({ expires_in: 0 });
      provider.nextIdToken({ claims: { azp: undefined } });
      provider.nextIdToken({});
    },
    attack: signInThenFetch("/token"),
    outcome: staysSignedIn("refresh_failed"),
  },
];

/** Lets the userinfo endpoint send a response that an attacker has signed. */
const forgedUserInfo: Case["fault"] = (provider) => {
  provider.alterDiscovery((document) => ({ ...document, userinfo_signing_alg_values_supported: ["RS256"] }));
  const forge = rs256(createAttackerKey().privateKey);
  const claims = { iss: provider.issuer, aud: CLIENT_ID, sub: "amara-okafor", email: CANARY };
  provider.answerNext("/userinfo", sendText(200, forge(claims), { "content-type": "application/jwt" }));
};

/** A key of a type that the app does not support, and a key of a type that does not exist. */
const UNSUPPORTED_KEYS = [
  {
    kty: "AKP",
    alg: "ML-DSA-44",
    kid: "quantum",
    use: "sig",
    pub: Buffer.alloc(1312, 7).toString("base64url"),
  },
  { kty: "NO-SUCH-KIND", alg: "NO-SUCH-ALGORITHM", kid: "nothing", use: "sig" },
];

const all: readonly Case[] = [
  ...[true, false].map(
    (isNamed): Case => ({
      ...standard,
      name: `oidcc-client-test-ignores-unparseable-key-in-jwks${isNamed ? "" : ", and the ID token names no key"}`,
      source: `${ALL}; RFC 7517, section 5`,
      fault(provider) {
        provider.alterKeys((jwks) => void jwks.keys.unshift(...UNSUPPORTED_KEYS));
        if (!isNamed) provider.nextIdToken({ header: { kid: undefined } });
      },
      outcome: signedIn,
    }),
  ),
  {
    ...standard,
    name: "oidcc-client-test-userinfo-signed, by an attacker",
    source: "OpenID Connect Core 1.0, section 5.3.4",
    fault: forgedUserInfo,
    attack: signInThenFetch("/userinfo"),
    outcome: staysSignedIn("userinfo_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-userinfo-signed",
    source: ALL,
    fault(provider) {
      const claims = {
        iss: provider.issuer,
        aud: CLIENT_ID,
        sub: "amara-okafor",
        email: "signed@lighthouse.example",
      };
      provider.answerNext(
        "/userinfo",
        sendText(200, provider.signJwt(claims), { "content-type": "application/jwt" }),
      );
    },
    attack: signInThenFetch("/userinfo"),
    outcome: ({ status, body }) => {
      expect(status).toBe(200);
      expect(JSON.parse(body)).toMatchObject({ sub: "amara-okafor", email: "signed@lighthouse.example" });
    },
  },
  {
    ...standard,
    name: "oidcc-client-test-missing-aud",
    source: ALL,
    fault: (provider) => provider.nextIdToken({ claims: { aud: undefined } }),
    outcome: rejectedWith("id_token_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-invalid-sig-hs256",
    source: ALL,
    fault: (provider) => provider.nextIdToken({ forge: hs256("not-the-client-secret") }),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    name: "oidcc-client-test-invalid-sig-es256",
    source: ALL,
    provider: { document: "full", signingAlg: "ES256" },
    fault: (provider) => provider.nextIdToken({ signedBy: "stranger" }),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    ...standard,
    name: "oidcc-client-test-userinfo-bearer-header",
    source: ALL,
    attack: signInThenFetch("/userinfo"),
    outcome: ({ status }, { provider }) => {
      const requests = provider.requests.filter(({ path }) => path === "/userinfo");
      expect([status, requests.length]).toEqual([200, 1]);
      expect(requests[0]?.headers.authorization).toMatch(/^Bearer \S+$/);
      expect(requests[0]?.url).not.toContain("?");
    },
  },
  {
    name: "accepts an ID token that is signed with ES256",
    source: "RFC 7518, section 3.4",
    provider: { document: "full", signingAlg: "ES256" },
    outcome: signedIn,
  },
];

const BACK_CHANNEL = "oidcc-client-back-channel-logout-rp-basic";
const FRONT_CHANNEL = "oidcc-client-front-channel-logout-rp-basic";
const EVENT = "http://schemas.openid.net/event/backchannel-logout";

/** Signs the victim in, and posts a logout token with these changes to the app. */
const backChannel = (
  name: string,
  claims: Record<string, unknown>,
  status: 200 | 400,
  sign: (claims: Record<string, unknown>, provider: LocalProvider) => string = (token, provider) =>
    provider.signJwt(token, { typ: "logout+jwt" }),
): Case => ({
  ...standard,
  options: { ...standard.options, backchannelLogout: true },
  name,
  source: BACK_CHANNEL,
  async attack(world) {
    await signIn(world);
    const { provider, victim, base } = world;
    const iat = Math.floor(Date.now() / 1000);
    const valid = {
      iss: provider.issuer,
      aud: CLIENT_ID,
      iat,
      exp: iat + 120,
      jti: "1",
      sub: "amara-okafor",
      events: { [EVENT]: {} },
    };
    const logout_token = sign({ ...valid, ...claims }, provider);
    return victim.request(`${base}/backchannel-logout`, { method: "POST", form: { logout_token } });
  },
  async outcome(answer, { signedInUser, victim }) {
    expect([answer.status, answer.headers["cache-control"]]).toEqual([status, "no-store"]);
    expect(await signedInUser(victim)).toBe(status === 200 ? undefined : "amara-okafor");
  },
});

/**
 * Opens the provider's logout page, which frames our route. The browser sends no cookie of ours with it, so
 * that only the sid identifies the session.
 */
const frontChannel = (name: string, beforeLogout: (world: World) => Promise<unknown>): Case => ({
  ...standard,
  options: { ...standard.options, frontchannelLogout: true },
  name,
  source: FRONT_CHANNEL,
  async attack(world) {
    const { provider, base, victim } = world;
    provider.register({ frontchannelLogoutUri: `${base}/frontchannel-logout` });
    await signIn(world);
    await beforeLogout(world);
    const page = await victim.navigate(`${provider.issuer}/logout`);
    const [, frameUrl = ""] = /<iframe src="([^"]+)"/.exec(page.body) ?? [];
    const headers = { "sec-fetch-dest": "iframe" };
    return victim.navigate(frameUrl.replaceAll("&amp;", "&"), { site: "cross-site", headers });
  },
  async outcome(answer, { signedInUser, victim, provider }) {
    expect([answer.status, answer.headers["cache-control"], await signedInUser(victim)]).toEqual([
      200,
      "no-store",
      undefined,
    ]);
    expect(answer.headers["content-security-policy"]).toContain(`frame-ancestors ${provider.issuer}`);
  },
});

const channelLogouts: readonly Case[] = [
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout", {}, 200),
  backChannel(
    "oidcc-client-test-rp-backchannel-rpinitlogout-alg-none",
    {},
    400,
    (claims) => `${signingInput({ alg: "none" }, claims)}.`,
  ),
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout-no-event", { events: undefined }, 400),
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce", { nonce: "x" }, 400),
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg", {}, 400, (claims) =>
    hs256(CLIENT_SECRET)(claims),
  ),
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud", { aud: "another-client" }, 400),
  backChannel("oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event", { events: { wrong: {} } }, 400),
  backChannel(
    "oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss",
    { iss: "https://another.example" },
    400,
  ),
  frontChannel("oidcc-client-test-rp-frontchannel-opinitlogout", async () => {}),
  // The app's session ends first. The frame finds no session to end, and responds in the same way.
  frontChannel("oidcc-client-test-rp-frontchannel-rpinitlogout", ({ victim, base }) =>
    victim.navigate(`${base}/logout`, { site: "same-origin" }),
  ),
];

describeAttacks("passes the OpenID Foundation's basic profile", withLoginBy(signIn, BASIC));
describeAttacks("passes the OpenID Foundation's form post profile", formPost);
describeAttacks("passes the OpenID Foundation's config profile", config);
describeAttacks("checks a discovery document beyond the config profile", discovery);
describeAttacks("passes the OpenID Foundation's RP-initiated logout profile", logout);
describeAttacksOnCluster("passes the OpenID Foundation's RP-initiated logout profile", logout);
describeAttacks("passes the OpenID Foundation's refresh token plan", refresh);
describeAttacks("passes the OpenID Foundation's comprehensive plan, except the cases of the profiles", all);

for (const run of [describeAttacks, describeAttacksOnCluster])
  run("passes the OpenID Foundation's back-channel and front-channel logout profiles", channelLogouts);
