import { createHash, createPublicKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { generate } from "selfsigned";
import { expect } from "vitest";
import type { IdTokenChanges, LocalProvider, SigningAlg } from "../../lib/testing/provider/local-provider.js";
import type { Answer } from "../support/browser.js";
import { CLIENT_ID, CLIENT_SECRET } from "../support/world.js";
import { CANARY, type Case, describeAttacks, type Outcome, signIn, type World } from "./support/attack.js";
import { hasToken } from "./support/endpoints.js";
import { issueExpiredToken, sendJson } from "./support/faulty-responses.js";
import {
  createAttackerKey,
  hs256,
  rs256,
  signingInput,
  withExtraMembers,
  withHeader,
} from "./support/jwt.js";
import { allOf, refreshed, rejectedWith, signedIn, staysSignedIn } from "./support/outcomes.js";
import { signInAgainAfter, signInAndOut, signInThenFetch } from "./support/sign-in-steps.js";

// Cases that the published tests do not have: every claim missing, wrong, repeated and of another type, and
// every way to forge a signature. Each case runs at the login, and again when the tokens are refreshed.

const now = () => Math.floor(Date.now() / 1000);
const core = (step: string) => `OpenID Connect Core 1.0, section 3.1.3.7, ${step}`;
const RFC7519 = "RFC 7519, section 4: the last of two members counts, or the token is invalid";
const LONG = "a".repeat(256);

/** Rows of name, source of the rule, and fault. */
type Row = readonly [
  name: string,
  source: string,
  fault: IdTokenChanges | ((provider: LocalProvider) => IdTokenChanges),
];

const rows = (table: readonly Row[], outcome: Case["outcome"], setting: Partial<Case> = {}): Case[] =>
  table.map(([name, source, fault]) => ({
    provider: { document: "full" },
    ...setting,
    name,
    source,
    fault: (provider) => provider.nextIdToken(typeof fault === "function" ? fault(provider) : fault),
    outcome,
  }));

/**
 * The path of keys to which tokens link. It is on the provider's own host, so that no other check stops a
 * request to it.
 */
const LINKED_KEYS = "/evil";
const noLinkFollowed: Outcome = (_answer, { provider }) =>
  void expect(provider.requests.filter(({ path }) => path.startsWith(LINKED_KEYS))).toEqual([]);

/** The names of cases with another user or issuer. At a refresh they end the session. */
const IDENTITY_FAULTS = [
  "iss with an added slash",
  "iss in other case",
  "iss twice, the last one wrong",
  "sub empty",
  "sub of 256 characters",
  "the claims changed after signing",
];

/**
 * Runs the same faults when the tokens are refreshed, after an honest login. The login continues unless the
 * identity of the user or the issuer changes.
 */
const atRefresh = (table: readonly Case[], outcome: Outcome = staysSignedIn("refresh_failed")): Case[] =>
  table.map(({ fault, ...testCase }) => ({
    ...testCase,
    async fault(provider, world) {
      issueExpiredToken(provider);
      await fault?.(provider, world);
    },
    attack: signInThenFetch("/token"),
    outcome: allOf(
      IDENTITY_FAULTS.includes(testCase.name) ? rejectedWith("refresh_identity_mismatch") : outcome,
      noLinkFollowed,
    ),
  }));

function describeAtLoginAndRefresh(title: string, table: readonly Case[]): void {
  describeAttacks(
    title,
    table.map((testCase) => ({ ...testCase, outcome: allOf(testCase.outcome, noLinkFollowed) })),
  );
  describeAttacks(`${title}, at a refresh`, atRefresh(table));
}

const claim = (claims: Record<string, unknown>): IdTokenChanges => ({ claims });
const header = (members: Record<string, unknown>): IdTokenChanges => ({ forge: withHeader(members) });
const twice = (json: string): IdTokenChanges => ({ forge: withExtraMembers(json) });

describeAtLoginAndRefresh(
  "rejects an ID token with a wrong claim",
  rows(
    [
      ["iss missing", core("step 2"), claim({ iss: undefined })],
      ["iss null", core("step 2"), claim({ iss: null })],
      ["iss a list that contains the right one", core("step 2"), ({ issuer }) => claim({ iss: [issuer] })],
      ["iss with an added slash", core("step 2"), ({ issuer }) => claim({ iss: `${issuer}/` })],
      ["iss in other case", core("step 2"), ({ issuer }) => claim({ iss: issuer.toUpperCase() })],
      ["iss twice, the last one wrong", RFC7519, twice('"iss":"https://evil.example"')],
      ["sub empty", "OpenID Connect Core 1.0, section 2", claim({ sub: "" })],
      ["sub of 256 characters", "OpenID Connect Core 1.0, section 2", claim({ sub: LONG })],
      ["sub a number", "OpenID Connect Core 1.0, section 2", claim({ sub: 1 })],
      ["sub null", "OpenID Connect Core 1.0, section 2", claim({ sub: null })],
      ["sub a list", "OpenID Connect Core 1.0, section 2", claim({ sub: ["amara-okafor"] })],
      ["sub twice, the last one null", RFC7519, twice('"sub":null')],
      ["aud empty", core("step 3"), claim({ aud: "" })],
      ["aud an empty list", core("step 3"), claim({ aud: [] })],
      ["aud a list without us", core("step 3"), claim({ aud: ["x", "y"] })],
      ["aud a list in a list", core("step 3"), claim({ aud: [[CLIENT_ID]] })],
      ["aud an object", core("step 3"), claim({ aud: { 0: CLIENT_ID } })],
      ["aud that contains our name and more", core("step 3"), claim({ aud: `${CLIENT_ID} ` })],
      ["aud twice, the last one wrong", RFC7519, twice('"aud":"another-client"')],
      [
        "fapi2-security-profile-final-client-test-invalid-secondary-aud",
        core("steps 3 and 4"),
        claim({ aud: [CLIENT_ID, "https://other.example"], azp: undefined }),
      ],
      ["azp another client", core("step 5"), claim({ azp: "another-client" })],
      ["azp a list", core("step 5"), claim({ azp: [CLIENT_ID] })],
      ["azp null", core("step 5"), claim({ azp: null })],
      ["azp empty", core("step 5"), claim({ azp: "" })],
      ["azp twice, the last one wrong", RFC7519, twice('"azp":"another-client"')],
      [
        "fapi2-security-profile-final-client-test-invalid-missing-exp",
        core("step 9"),
        claim({ exp: undefined }),
      ],
      [
        "fapi2-security-profile-final-client-test-invalid-expired-exp",
        core("step 9"),
        () => claim({ exp: now() - 300 }),
      ],
      ["exp just outside the tolerance", core("step 9"), () => claim({ exp: now() - 31 })],
      ["exp a text", core("step 9"), () => claim({ exp: String(now() + 900) })],
      ["exp null", core("step 9"), claim({ exp: null })],
      ["exp zero", core("step 9"), claim({ exp: 0 })],
      ["exp negative", core("step 9"), claim({ exp: -1 })],
      ["exp infinite", core("step 9"), twice('"exp":1e999')],
      ["exp a list", core("step 9"), () => claim({ exp: [now() + 900] })],
      ["exp twice, the last one past", RFC7519, twice('"exp":1')],
      ["iat a text", core("step 10"), () => claim({ iat: String(now()) })],
      ["iat null", core("step 10"), claim({ iat: null })],
      ["iat in the future, outside the tolerance", core("step 10"), () => claim({ iat: now() + 40 })],
      ["iat twice, the last one in the future", RFC7519, twice('"iat":99999999999')],
      ["nbf in the future", "RFC 7519, section 4.1.5", () => claim({ nbf: now() + 40 })],
      ["nbf a text", "RFC 7519, section 4.1.5", claim({ nbf: "now" })],
      ["nbf null", "RFC 7519, section 4.1.5", claim({ nbf: null })],
      [
        "at_hash of another token",
        "OpenID Connect Core 1.0, section 3.1.3.8",
        claim({ at_hash: "A".repeat(22) }),
      ],
      ["at_hash empty", "OpenID Connect Core 1.0, section 3.1.3.8", claim({ at_hash: "" })],
      ["at_hash null", "OpenID Connect Core 1.0, section 3.1.3.8", claim({ at_hash: null })],
      ["at_hash a list", "OpenID Connect Core 1.0, section 3.1.3.8", claim({ at_hash: ["x"] })],
      ["at_hash twice, the last one wrong", RFC7519, twice('"at_hash":"x"')],
      [
        "claims that are a list",
        "RFC 7519, section 7.2, step 10",
        { forge: (_claims, sign) => signPayload(sign, "claims that are null") },
      ],
      [
        "claims that are null",
        "RFC 7519, section 7.2, step 10",
        { forge: (_claims, sign) => signPayload(sign, "null") },
      ],
      [
        "claims that are not JSON",
        "RFC 7519, section 7.2, step 10",
        { forge: (_claims, sign) => signPayload(sign, "{") },
      ],
    ],
    rejectedWith("id_token_invalid"),
  ),
);

const nestedClaim = (levels: number): IdTokenChanges =>
  twice(`"about":${"[".repeat(levels)}${"]".repeat(levels)}`);

describeAttacks("rejects claims that are nested too deeply", [
  ...rows(
    [
      ["65 levels", "CWE-674", nestedClaim(65)],
      ["2,300 levels", "CWE-674", nestedClaim(2300)],
      ["100,000 levels", "CWE-674", nestedClaim(100_000)],
    ],
    rejectedWith("id_token_invalid"),
  ),
  // A refresh keeps the claims of the login, so the new claims are not used here.
  ...atRefresh(
    rows(
      [["100,000 levels at a refresh: the new claims are not used", "CWE-674", nestedClaim(100_000)]],
      refreshed,
    ),
    refreshed,
  ),
]);

function signPayload(sign: (text: string) => string, payload: string): string {
  const text = signingInput({ alg: "RS256" }, payload);
  return `${text}.${sign(text)}`;
}

/** Sets the provider's clock ahead or behind, and so all times in its tokens. */
const atClockDifference = (
  seconds: number,
  outcome: Case["outcome"],
  options: Case["options"] = {},
): Case => ({
  name:
    `the provider's clock is ${Math.abs(seconds)} s ${seconds < 0 ? "behind" : "ahead"}, ` +
    `the tolerance ${options.clockTolerance ?? 30} s`,
  source: core("steps 9 and 10"),
  options,
  fault: (provider) => provider.setClock(seconds),
  outcome,
});

/** Signs the victim in, changes something at the provider, and then refreshes the tokens. */
const refreshAfter = (change: (provider: LocalProvider) => unknown): Pick<Case, "fault" | "attack"> => ({
  fault: issueExpiredToken,
  async attack(world) {
    await signIn(world);
    await change(world.provider);
    return world.victim.fetch(`${world.base}/token`);
  },
});
const atClockDifferenceLater = (seconds: number, outcome: Case["outcome"]): Case => {
  const { name, source } = atClockDifference(seconds, outcome);
  return {
    name: `${name}, at a refresh`,
    source,
    ...refreshAfter((provider) => provider.setClock(seconds)),
    outcome,
  };
};
describeAttacks("accepts a provider's clock only within the tolerance", [
  atClockDifference(25, signedIn),
  atClockDifference(40, rejectedWith("id_token_invalid")),
  atClockDifference(280, signedIn, { clockTolerance: 300 }),
  atClockDifference(10, rejectedWith("id_token_invalid"), { clockTolerance: 0 }),
  atClockDifference(-600, signedIn), // the ID token is valid for half an hour
  atClockDifference(-1820, signedIn),
  atClockDifference(-1840, rejectedWith("id_token_invalid")),
  atClockDifferenceLater(25, refreshed),
  atClockDifferenceLater(40, staysSignedIn("refresh_failed")),
  atClockDifferenceLater(-1820, refreshed),
  atClockDifferenceLater(-1840, staysSignedIn("refresh_failed")),
]);

describeAttacks(
  "rejects an ID token without a nonce", // a refresh may omit it (section 12.2)
  rows(
    [
      [
        "fapi2-security-profile-final-client-test-invalid-missing-nonce",
        core("step 11"),
        claim({ nonce: undefined }),
      ],
    ],
    rejectedWith("nonce_mismatch"),
  ),
);

describeAtLoginAndRefresh(
  "rejects an ID token with a wrong nonce",
  rows(
    [
      ["nonce empty", core("step 11"), claim({ nonce: "" })],
      ["nonce null", core("step 11"), claim({ nonce: null })],
      ["nonce a list", core("step 11"), claim({ nonce: ["x"] })],
      ["nonce twice, the last one wrong", RFC7519, twice('"nonce":"x"')],
    ],
    rejectedWith("nonce_mismatch"),
  ),
);

describeAtLoginAndRefresh(
  "rejects a wrong nonce of a provider that may omit it",
  rows(
    [
      ["nonce of another login", core("step 11"), claim({ nonce: "of-another-login" })],
      ["nonce empty", core("step 11"), claim({ nonce: "" })],
      ["nonce null", core("step 11"), claim({ nonce: null })],
    ],
    rejectedWith("nonce_mismatch"),
    { provider: { document: "portal" } },
  ),
);

describeAttacks(
  "accepts an ID token that is unusual and valid",
  rows(
    [
      [
        "fapi2-security-profile-final-client-test-valid-aud-as-array",
        core("step 3"),
        claim({ aud: [CLIENT_ID] }),
      ],
      [
        "several audiences, with us as azp",
        core("steps 3 to 5"),
        claim({ aud: ["x", CLIENT_ID], azp: CLIENT_ID }),
      ],
      ["iat a week ago", core("step 10"), () => claim({ iat: now() - 7 * 86_400 })],
      ["exp just inside the tolerance", core("step 9"), () => claim({ exp: now() - 20 })],
      ["iat in the future, inside the tolerance", core("step 10"), () => claim({ iat: now() + 20 })],
      [
        "nbf in the future, inside the tolerance",
        "RFC 7519, section 4.1.5",
        () => claim({ nbf: now() + 20 }),
      ],
      [
        "times with fractions",
        "RFC 7519, section 2, NumericDate",
        () => claim({ exp: now() + 900.5, iat: now() - 0.5 }),
      ],
      ["at_hash missing", "OpenID Connect Core 1.0, section 3.1.3.6", claim({ at_hash: undefined })],
      ["azp missing, with one audience", core("step 4"), claim({ azp: undefined })],
      ["a claim of 64 levels", "CWE-674", nestedClaim(64)],
      ["typ JWT", "RFC 7519, section 5.1", header({ typ: "JWT" })],
      ["a claim of 200,000 characters", "RFC 7519", claim({ about: "a".repeat(200_000) })],
      [
        "unknown members",
        "RFC 7519, section 4",
        claim({ constructor: { prototype: {} }, toString: 1, a: null }),
      ],
      ["iss twice, the last one right", RFC7519, ({ issuer }) => twice(`"iss":${JSON.stringify(issuer)}`)],
    ],
    signedIn,
  ),
);

const SECTION_12_2 = "OpenID Connect Core 1.0, section 12.2";
describeAttacks(
  "accepts an ID token that is unusual and valid, at a refresh",
  atRefresh(
    rows(
      [
        ["exp just inside the tolerance", core("step 9"), () => claim({ exp: now() - 20 })],
        ["iat in the future, inside the tolerance", core("step 10"), () => claim({ iat: now() + 20 })],
        [
          "nbf in the future, inside the tolerance",
          "RFC 7519, section 4.1.5",
          () => claim({ nbf: now() + 20 }),
        ],
        ["aud a list with only our client", SECTION_12_2, claim({ aud: [CLIENT_ID] })],
        ["azp missing", SECTION_12_2, claim({ azp: undefined })],
        ["at_hash missing", "OpenID Connect Core 1.0, section 3.1.3.6", claim({ at_hash: undefined })],
        ["typ JWT", "RFC 7519, section 5.1", header({ typ: "JWT" })],
      ],
      refreshed,
    ),
    refreshed,
  ),
);

/** Returns the nonce that the app has sent with the login. */
const sentNonce = ({ requestsTo, provider }: World): string | null =>
  new URL(requestsTo("/oauth2/authorize")[0]?.url ?? "", provider.issuer).searchParams.get("nonce");

/** Refreshes twice. The first response may omit a claim that the second one contains. */
const twoRefreshes = (
  name: string,
  first: Record<string, unknown>,
  second: (world: World) => Record<string, unknown>,
  outcome: Outcome,
): Case => ({
  name,
  source: SECTION_12_2,
  provider: { document: "full" },
  fault(provider) {
    issueExpiredToken(provider);
    provider.nextTokenResponse({ expires_in: 0 });
    provider.nextIdToken({ claims: first });
  },
  async attack(world) {
    await signInThenFetch("/token")(world);
    world.provider.nextIdToken({ claims: second(world) });
    return world.victim.fetch(`${world.base}/token`);
  },
  outcome,
});

describeAttacks("compares a claim of a second refresh with the login, if the first refresh omitted it", [
  twoRefreshes("the nonce of the login", {}, (world) => ({ nonce: sentNonce(world) }), hasToken),
  twoRefreshes("another nonce", {}, () => ({ nonce: "of-another-login" }), staysSignedIn("refresh_failed")),
  twoRefreshes("the azp of the login", { azp: undefined }, () => ({ azp: CLIENT_ID }), hasToken),
]);

/** Computes at_hash with one algorithm, for an ID token that is signed with another one. */
const withAtHash = (hash: "sha256" | "sha512", signingAlg: SigningAlg, outcome: Outcome): Case => ({
  name: `at_hash with ${hash}, signature with ${signingAlg}`,
  source: "OpenID Connect Core 1.0, section 3.1.3.6",
  provider: { document: "full", signingAlg },
  fault(provider) {
    const access_token = "an-access-token-that-is-always-the-same";
    const digest = createHash(hash).update(access_token).digest();
    provider.nextTokenResponse({ access_token });
    provider.nextIdToken({
      claims: { at_hash: digest.subarray(0, digest.length / 2).toString("base64url") },
    });
  },
  outcome,
});
describeAttacks("checks at_hash with the hash algorithm of the signature", [
  ...(["RS256", "PS256", "ES256"] as const).flatMap((alg) => [
    withAtHash("sha256", alg, signedIn),
    withAtHash("sha512", alg, rejectedWith("id_token_invalid")),
  ]),
  withAtHash("sha512", "EdDSA", signedIn),
  withAtHash("sha256", "EdDSA", rejectedWith("id_token_invalid")),
]);

const RFC7515 = "RFC 7515, section 4.1";
const RFC8725 = "RFC 8725, section 3.1";

/** Returns the provider's public key, as every client can read it. */
async function publicPem({ issuer }: LocalProvider): Promise<string> {
  const [jwk] = ((await (await fetch(`${issuer}/oauth2/jwks`)).json()) as { keys: [object] }).keys;
  return createPublicKey({ key: jwk as never, format: "jwk" })
    .export({ type: "spki", format: "pem" })
    .toString();
}

const attackerKey = createAttackerKey();
/** Signs with the attacker's key, which the token itself contains or links to. */
const withAttackerKey = (members: Record<string, unknown>): IdTokenChanges => ({
  forge: rs256(attackerKey.privateKey, members),
});

/** Returns a certificate for the attacker's key, as x5c contains it: DER in base64. */
async function createAttackerCertificate(): Promise<string> {
  const privateKey = attackerKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const keyPair = { privateKey, publicKey: attackerKey.pem.toString() };
  const { cert } = await generate([{ name: "commonName", value: "evil.example" }], { keyPair });
  return new X509Certificate(cert).raw.toString("base64");
}
const x5c = [await createAttackerCertificate()];

/** A file that every process can read. */
const FILE = fileURLToPath(import.meta.url);
/** The path of this file from any working directory. */
const FILE_AS_KID = `${"../".repeat(30)}${FILE.replace(/^\//, "")}`;

/** Lets the provider announce insecure algorithms, and sign with one of them. */
const withInsecureAlgorithms =
  (fault: CreateChanges): Case["fault"] =>
  async (provider) => {
    const id_token_signing_alg_values_supported = ["RS256", "HS256", "none"];
    provider.alterDiscovery((document) => ({ ...document, id_token_signing_alg_values_supported }));
    provider.nextIdToken(await fault(provider));
  };
type CreateChanges = (provider: LocalProvider) => IdTokenChanges | Promise<IdTokenChanges>;

const withHmac = (key: string | Buffer, members: Record<string, unknown> = {}): IdTokenChanges => ({
  forge: hs256(key, members),
});
const KID = "RFC 8725, section 3.10: kid";

describeAtLoginAndRefresh("rejects a signature that the provider did not make", [
  ...rows(
    [
      ["typ of an access token", "RFC 8725, section 3.12; RFC 9068", header({ typ: "at+jwt" })],
      ["typ of an access token, spelt out", "RFC 8725, section 3.12", header({ typ: "application/AT+JWT" })],
      [
        "typ of a logout token",
        "OpenID Connect Back-Channel Logout 1.0, section 2.4",
        header({ typ: "logout+jwt" }),
      ],
      ["crit with an unknown extension", "RFC 7515, section 4.1.11", header({ crit: ["exp"], exp: 1 })],
      ["crit empty", "RFC 7515, section 4.1.11", header({ crit: [] })],
      [
        "crit b64, and a payload that is not encoded",
        "RFC 7797, section 6",
        header({ crit: ["b64"], b64: false }),
      ],
      [
        "four parts",
        "RFC 7515, section 7.1",
        { forge: (claims, sign) => `${withHeader({})(claims, sign)}.x` },
      ],
      ["two parts", "RFC 7515, section 7.1", { forge: (claims) => signingInput({ alg: "RS256" }, claims) }],
      ["five parts, as if it were encrypted", "RFC 7516, section 7.1", { forge: () => "a.b.c.d.e" }],
      [
        "a header that is not JSON",
        RFC7515,
        { forge: (claims, sign) => `${signingInput("{", claims)}.${sign("")}` },
      ],
      [
        "a header that is a list",
        RFC7515,
        { forge: (claims, sign) => `${signingInput("[]", claims)}.${sign("")}` },
      ],
      ["no JWT at all", "RFC 7519, section 7.2", { forge: () => CANARY }],
    ],
    rejectedWith("id_token_invalid"),
  ),
  ...rows(
    [
      ["alg none", RFC8725, { signedBy: "nobody" }],
      ["alg None", RFC8725, { forge: (claims) => `${signingInput({ alg: "None" }, claims)}.` }],
      ["alg nOnE, with a signature", RFC8725, header({ alg: "nOnE" })],
      ["alg missing", RFC7515, header({ alg: undefined })],
      ["alg a list", RFC7515, header({ alg: ["RS256"] })],
      ["alg an algorithm that was not announced", core("step 7"), header({ alg: "PS256" })],
      ["HS256 with the client secret", RFC8725, { forge: hs256(CLIENT_SECRET) }],
      [
        "jwk in the header, the attacker's own",
        "RFC 7515, section 4.1.3; CVE-2018-0114",
        withAttackerKey({ jwk: attackerKey.jwk }),
      ],
      [
        "jku to an attacker's keys",
        "RFC 7515, section 4.1.2",
        ({ issuer }) => withAttackerKey({ jku: `${issuer}${LINKED_KEYS}/jwks` }),
      ],
      [
        "x5u to a certificate",
        "RFC 7515, section 4.1.5",
        ({ issuer }) => withAttackerKey({ x5u: `${issuer}${LINKED_KEYS}/cert` }),
      ],
      ["x5c with an attacker's certificate", "RFC 7515, section 4.1.6", withAttackerKey({ x5c })],
      ["kid __proto__", "RFC 8725, section 3.10", withAttackerKey({ kid: "__proto__" })],
      ["kid a number", RFC7515, withAttackerKey({ kid: 1 })],
      ["an unknown kid", RFC7515, header({ kid: "unknown" })],
      ["an empty signature", RFC7515, { forge: (claims) => `${signingInput({ alg: "RS256" }, claims)}.` }],
      ["the claims changed after signing", RFC7515, { forge: changedAfterSigning }],
      ["the header changed after signing", RFC7515, { forge: headerChangedAfterSigning }],
    ],
    rejectedWith("id_token_signature_invalid"),
  ),
  ...(
    [
      ["alg none", "RFC 8725, section 3.2", () => ({ signedBy: "nobody" })],
      [
        "HS256 with the provider's public key",
        `${RFC8725}; CVE-2015-9235`,
        async (provider) => withHmac(await publicPem(provider)),
      ],
      [
        "HS256 with the client secret",
        "OpenID Connect Core 1.0, section 10.1: accepted only if the option idTokenAlg names it",
        () => withHmac(CLIENT_SECRET),
      ],
      ["HS256 with an empty key", RFC8725, () => withHmac("")],
      [
        "HS256 with an empty file as the key",
        KID,
        () => withHmac("", { kid: `${"../".repeat(30)}dev/null` }),
      ],
      ["HS256 with a file as the key", KID, () => withHmac(readFileSync(FILE), { kid: FILE_AS_KID })],
      [
        "HS256 with the result of an SQL injection as the key",
        KID,
        () => withHmac("key", { kid: "x' UNION SELECT 'key" }),
      ],
    ] satisfies [string, string, CreateChanges][]
  ).map(([name, source, fault]) => ({
    name: `${name}, if the provider announces the algorithm`,
    source,
    fault: withInsecureAlgorithms(fault),
    outcome: rejectedWith("id_token_signature_invalid"),
  })),
  {
    name: "an HMAC with a key that the provider publishes, sent as RS256",
    source: RFC8725,
    fault(provider) {
      provider.alterKeys((jwks) => void jwks.keys.push({ kty: "oct", k: btoa("known-to-all"), kid: "oct" }));
      provider.nextIdToken(withHmac("known-to-all", { alg: "RS256", kid: "oct" }));
    },
    outcome: rejectedWith("id_token_signature_invalid"),
  },
]);

describeAttacks("rejects weak keys and keys for encryption", [
  {
    name: "a key of 1024 bits",
    source: "RFC 7518, section 3.3",
    fault: (provider) => weakKey(provider),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    name: "a key that may only encrypt",
    source: "RFC 7517, section 4.2",
    fault: (provider) =>
      provider.alterKeys((jwks) => ({ keys: jwks.keys.map((key) => ({ ...(key as object), use: "enc" })) })),
    outcome: rejectedWith("id_token_signature_invalid"),
  },
]);

function changedAfterSigning(claims: Record<string, unknown>, sign: (text: string) => string): string {
  const signature = sign(signingInput({ alg: "RS256" }, claims));
  return `${signingInput({ alg: "RS256" }, { ...claims, sub: "jonas-weber" })}.${signature}`;
}

function headerChangedAfterSigning(claims: Record<string, unknown>, sign: (text: string) => string): string {
  const signature = sign(signingInput({ alg: "RS256" }, claims));
  return `${signingInput({ alg: "RS256", typ: "JWT" }, claims)}.${signature}`;
}

function weakKey(provider: LocalProvider): void {
  const weak = createAttackerKey(1024);
  provider.alterKeys(() => ({ keys: [{ ...weak.jwk, kid: "weak" }] }));
  provider.nextIdToken({ forge: rs256(weak.privateKey, { kid: "weak" }) });
}

const kid = "always-the-same";
/** Publishes so many keys of the attacker, and then the provider's own. */
const withAttackerKeys = (count: number) => (jwks: { keys: unknown[] }) =>
  void jwks.keys.unshift(
    ...Array.from({ length: count }, (_, at) => ({ ...attackerKey.jwk, kid: `evil-${at}`, use: "sig" })),
  );

describeAttacks("finds the right key among many, and after a change", [
  {
    name: "no kid, and a signature with none of several keys",
    source: "RFC 7515, section 4.1.4",
    fault(provider) {
      provider.alterKeys(withAttackerKeys(2));
      provider.nextIdToken({ header: { kid: undefined }, signedBy: "stranger" });
    },
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    name: "no kid, and the provider's key is the last of twenty",
    source: "RFC 7515, section 4.1.4",
    fault(provider) {
      provider.alterKeys(withAttackerKeys(19));
      provider.nextIdToken({ header: { kid: undefined } });
    },
    outcome: signedIn,
  },
  {
    name: "no kid, and the provider's key is the last of a thousand: the app tries only twenty",
    source: "RFC 7515, section 4.1.4",
    fault(provider) {
      provider.alterKeys(withAttackerKeys(999));
      provider.nextIdToken({ header: { kid: undefined } });
    },
    outcome: rejectedWith("id_token_signature_invalid"),
  },
  {
    name: "a new key with the kid of the old one",
    source: "OpenID Connect Core 1.0, section 10.1.1",
    fault(provider) {
      provider.alterKeys(({ keys }) => ({ keys: keys.map((key) => ({ ...(key as object), kid })) }));
      provider.nextIdToken({ header: { kid } });
    },
    attack: signInAgainAfter(({ provider }) => {
      provider.alterKeys(() => ({ keys: [{ ...attackerKey.jwk, kid }] }));
      provider.nextIdToken({ forge: rs256(attackerKey.privateKey, { kid }) });
    }),
    outcome: signedIn,
  },
  {
    name: "a new key between the login and the refresh",
    source: "OpenID Connect Core 1.0, section 10.1.1",
    ...refreshAfter((provider) => provider.rotateKeys()),
    outcome: allOf(
      refreshed,
      (_answer, { requestsTo }) => void expect(requestsTo("/oauth2/jwks").length).toBe(2),
    ),
  },
  {
    name: "a key that was removed before the app fetched it",
    source: "OpenID Connect Core 1.0, section 10.1.1",
    attack: signInWithOldKey,
    outcome: rejectedWith("id_token_signature_invalid"),
  },
]);

/** Signs the victim in with an ID token that is valid, except that its key has just been removed. */
async function signInWithOldKey(world: World): Promise<Answer> {
  const { victim, base, provider } = world;
  const callback = await victim.loginUntilCallback(`${base}/login?returnTo=/account`);
  const nonce = sentNonce(world);
  const claims = {
    iss: provider.issuer,
    aud: CLIENT_ID,
    sub: "amara-okafor",
    iat: now(),
    exp: now() + 300,
    nonce,
  };
  provider.nextTokenResponse({ id_token: provider.signJwt(claims) });
  await provider.rotateKeys();
  return victim.visit(callback, { site: "cross-site" });
}

describeAttacks("treats claims and userinfo as data", [
  {
    name: "__proto__ among the claims reaches no object of the app",
    source: "CWE-1321",
    fault: (provider) => provider.nextIdToken({ forge: withExtraMembers('"__proto__":{"isAdmin":true}') }),
    attack: signInThenFetch("/merged-claims"),
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, "{}"]),
  },
  {
    name: "__proto__ in userinfo reaches no object of the app",
    source: "CWE-1321",
    fault: (provider) =>
      provider.answerNext("/userinfo", (_req, res) => {
        res.writeHead(200, { "content-type": "application/json" });
        res.end('{"sub":"amara-okafor","__proto__":{"isAdmin":true}}');
      }),
    attack: signInThenFetch("/userinfo"),
    outcome: ({ status, body }) => void expect([status, body]).toEqual([200, '{"sub":"amara-okafor"}']),
  },
  {
    name: "userinfo of 3,000 levels",
    source: "CWE-674",
    fault: (provider) =>
      provider.answerNext("/userinfo", (_req, res) => {
        res.writeHead(200, { "content-type": "application/json" });
        res.end(`{"sub":"amara-okafor","about":${"[".repeat(3000)}${"]".repeat(3000)}}`);
      }),
    attack: signInThenFetch("/userinfo"),
    outcome: staysSignedIn("portal_answer_invalid"),
  },
  {
    name: "an ID token that is too long for a header is not sent as the hint of a logout",
    source: "OpenID Connect RP-Initiated Logout 1.0, section 2",
    provider: { document: "full" },
    fault: (provider) => provider.nextIdToken({ claims: { about: "a".repeat(6000) } }),
    attack: signInAndOut,
    async outcome({ status, url }, { victim, signedInUser, url: appUrl, provider }) {
      expect([status, url.startsWith(appUrl), await signedInUser(victim)]).toEqual([200, true, undefined]);
      const [request] = provider.requests.filter(({ path }) => path === "/logout");
      expect(request?.url.length).toBeLessThan(1000);
      expect(request?.url).toContain(`client_id=${CLIENT_ID}`);
    },
  },
  ...(["sub missing", "sub a list", "sub of another user", "an error in a good response"] as const).map(
    (name): Case => ({
      name: `userinfo with ${name}`,
      source: "OpenID Connect Core 1.0, section 5.3.2",
      fault: (provider) =>
        provider.answerNext(
          "/userinfo",
          sendJson(
            200,
            {
              "sub missing": { email: CANARY },
              "sub a list": { sub: ["amara-okafor"], email: CANARY },
              "sub of another user": { sub: "jonas-weber", email: CANARY },
              "an error in a good response": { error: "invalid_token", error_description: CANARY },
            }[name],
          ),
        ),
      attack: signInThenFetch("/userinfo"),
      outcome: staysSignedIn(
        name === "sub of another user" ? "userinfo_subject_mismatch" : "portal_answer_invalid",
      ),
    }),
  ),
]);
