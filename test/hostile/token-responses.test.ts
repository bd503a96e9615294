import { expect } from "vitest";
import type { PortalAuthErrorCode } from "../../lib/index.js";
import type { LocalProvider, TokenResponseWriter } from "../../lib/testing/provider/local-provider.js";
import { CANARY, type Case, describeAttacks, signIn, type World } from "./support/attack.js";
import { ENDPOINTS, hasToken, type InjectFault, REVOCATION, TOKEN } from "./support/endpoints.js";
import { signedIn } from "./support/outcomes.js";
import { advanceClock } from "./support/sign-in-steps.js";

// Token responses that are wrong, or unusual and valid: at the login, and when tokens are refreshed.

const RFC6749 = "RFC 6749, section 5.1";
const CORE = "OpenID Connect Core 1.0, section 3.1.3.3";
const JSON_TYPE = { "content-type": "application/json" };

/** Changes members of the next token response. `undefined` removes a member. */
const withMembers =
  (members: Record<string, unknown>): InjectFault =>
  ({ provider }) =>
    provider.nextTokenResponse(members);
/** Rewrites the JSON of the next token response. */
const rewriting =
  (write: (json: string) => string): InjectFault =>
  ({ provider }) =>
    provider.writeNextTokenResponse(
      (json): ReturnType<TokenResponseWriter> => ({ body: write(json), headers: JSON_TYPE }),
    );
/** Adds a member after all others. */
const withLastMember = (member: string) => rewriting((json) => json.replace(/}$/, `,${member}}`));

type Row = readonly [name: string, fault: InjectFault, source?: string];

/**
 * Expects no signed-in user after such a response at a login. After a refresh, expects the same session
 * without a new token.
 */
const unusable = (
  [name, fault, source = RFC6749]: Row,
  code: PortalAuthErrorCode = "portal_answer_invalid",
): Case[] => [
  {
    name: `login: ${name}`,
    source,
    attack: ENDPOINTS.token.reach(fault),
    outcome: ENDPOINTS.token.fails(code),
  },
  {
    name: `refresh: ${name}`,
    source,
    attack: ENDPOINTS.refresh.reach(fault),
    outcome: ENDPOINTS.refresh.fails("refresh_failed"),
  },
];

const usable = ([name, fault, source = RFC6749]: Row): Case[] => [
  { name: `login: ${name}`, source, attack: ENDPOINTS.token.reach(fault), outcome: signedIn },
  { name: `refresh: ${name}`, source, attack: ENDPOINTS.refresh.reach(fault), outcome: hasToken },
];

describeAttacks("rejects a token response whose members are wrong", [
  ...(
    [
      ["access_token missing", withMembers({ access_token: undefined })],
      ["access_token empty", withMembers({ access_token: "" })],
      ["access_token null", withMembers({ access_token: null })],
      ["access_token a number", withMembers({ access_token: 1 })],
      ["access_token a list", withMembers({ access_token: [CANARY] })],
      ["access_token an object", withMembers({ access_token: { toString: CANARY } })],
      [
        "access_token twice, the last one a list",
        withLastMember(`"access_token":["${CANARY}"]`),
        "RFC 8259, section 4",
      ],
      ["token_type missing", withMembers({ token_type: undefined })],
      ["token_type null", withMembers({ token_type: null })],
      ["token_type DPoP", withMembers({ token_type: "DPoP" })],
      ["token_type MAC", withMembers({ token_type: "mac" })],
      ["token_type a list", withMembers({ token_type: ["Bearer"] })],
      ["refresh_token a number", withMembers({ refresh_token: 1 })],
      ["refresh_token a list", withMembers({ refresh_token: [CANARY] })],
      ["scope a list of lists", withMembers({ scope: [["openid"]] })],
      ["scope a list with a number", withMembers({ scope: ["openid", 1] })],
      ["scope a list with two scopes in one text", withMembers({ scope: ["openid admin"] })],
      ["scope an object", withMembers({ scope: { openid: true } })],
      ["scope a number", withMembers({ scope: 1 })],
      ["expires_in a word", withMembers({ expires_in: "soon" })],
      ["expires_in negative", withMembers({ expires_in: -1 })],
      ["expires_in a text that is negative", withMembers({ expires_in: "-5" })],
      ["expires_in true", withMembers({ expires_in: true })],
      ["expires_in an object", withMembers({ expires_in: { valueOf: 300 } })],
      ["expires_in infinite", rewriting((json) => json.replace(/"expires_in":\d+/, '"expires_in":1e999'))],
      ["id_token a number", withMembers({ id_token: 1 }), CORE],
      ["id_token an object", withMembers({ id_token: { sub: CANARY } }), CORE],
      ["id_token empty", withMembers({ id_token: "" }), CORE],
      ["all members in __proto__", rewriting((json) => `{"__proto__":${json}}`), "CWE-1321"],
    ] as const
  ).flatMap((row) => unusable(row)),
  ...[undefined, null].map((id_token) => ({
    name: `login: id_token ${id_token}`,
    source: CORE,
    attack: ENDPOINTS.token.reach(withMembers({ id_token })),
    outcome: ENDPOINTS.token.fails("id_token_missing"),
  })),
  ...[undefined, null].map((id_token) => ({
    name: `refresh: id_token ${id_token}`,
    source: "OpenID Connect Core 1.0, section 12.2: it may be missing",
    attack: ENDPOINTS.refresh.reach(withMembers({ id_token })),
    outcome: hasToken,
  })),
]);

describeAttacks(
  "accepts a token response that is unusual and valid",
  (
    [
      [
        "fapi2-security-profile-final-client-test-token-type-case-insensitivity",
        withMembers({ token_type: "bEaReR" }),
      ],
      ["refresh_token missing", withMembers({ refresh_token: undefined })],
      ["scope missing", withMembers({ scope: undefined })],
      ["refresh_token null", withMembers({ refresh_token: null })],
      ["refresh_token empty", withMembers({ refresh_token: "" })],
      ["scope null", withMembers({ scope: null })],
      ["scope a list", withMembers({ scope: ["openid", "profile"] })],
      ["expires_in null", withMembers({ expires_in: null })],
      ["unknown members null", withMembers({ ext: null, not_before_policy: null, session_state: null })],
      ["an error beside the tokens", withMembers({ error: CANARY, error_description: CANARY })],
      [
        "unknown members",
        withMembers({ constructor: { prototype: 1 }, toString: CANARY, hasOwnProperty: null, status: 500 }),
      ],
      [
        "constructor among its members",
        withLastMember('"constructor":{"prototype":{"isAdmin":true}}'),
        "CWE-1321",
      ],
    ] as const
  ).flatMap(usable),
);

/**
 * Lets the app use a token at once and 400 s later. Expects so many requests to the token endpoint after each
 * use.
 */
const usedTwice = (
  name: string,
  members: Record<string, unknown>,
  expected: readonly [atOnce: number, later: number],
): Case => ({
  name,
  source: `${RFC6749} and appendix A.14`,
  async fault(provider, world) {
    await advanceClock(world, 0);
    provider.nextTokenResponse(members);
  },
  async attack(world) {
    await signedIn(await signIn(world), world);
    const counts: number[] = [];
    for (const seconds of [0, 400]) {
      await advanceClock(world, seconds);
      await hasToken(await world.victim.fetch(`${world.base}/token`), world);
      counts.push(world.requestsTo(TOKEN).length);
    }
    expect(counts).toEqual(expected);
    return world.victim.visit(`${world.base}/account`);
  },
  outcome: signedIn,
});

// The expected counts of token requests: at once, and after the token's lifetime.
const NO_REFRESH = [1, 1] as const;
const REFRESH_AT_EXPIRY = [1, 2] as const;
const REFRESH_AT_ONCE = [2, 3] as const;

describeAttacks("refreshes a token only after it has expired", [
  usedTwice("expires_in as the provider sends it", {}, REFRESH_AT_EXPIRY),
  usedTwice("expires_in a text of digits", { expires_in: "300" }, REFRESH_AT_EXPIRY),
  usedTwice("expires_in a list of one number", { expires_in: [300] }, REFRESH_AT_EXPIRY),
  usedTwice("expires_in with a fraction", { expires_in: 299.5 }, REFRESH_AT_EXPIRY),
  usedTwice("expires_in zero", { expires_in: 0 }, REFRESH_AT_ONCE),
  usedTwice("expires_in enormous", { expires_in: Number.MAX_VALUE }, NO_REFRESH),
  usedTwice(
    "fapi2-security-profile-final-client-test-token-endpoint-response-without-expires_in",
    { expires_in: undefined },
    NO_REFRESH,
  ),
  usedTwice("refresh_expires_in that is not a number", { refresh_expires_in: "never" }, REFRESH_AT_EXPIRY),
  usedTwice("refresh_expires_in negative", { refresh_expires_in: -5 }, REFRESH_AT_EXPIRY),
]);

/** Removes expires_in and refresh_token from the response, and puts other values for them into __proto__. */
function moveIntoProto(provider: LocalProvider): void {
  provider.nextTokenResponse({ expires_in: undefined, refresh_token: undefined });
  provider.writeNextTokenResponse((json) => ({
    body: json.replace(
      /}$/,
      `,"__proto__":{"expires_in":0,"refresh_token":"${CANARY}","refresh_expires_in":1}}`,
    ),
    headers: JSON_TYPE,
  }));
}

async function useTokenThenSignOut(world: World) {
  await hasToken(await world.victim.fetch(`${world.base}/token`), world);
  return world.victim.visit(`${world.base}/logout`, { site: "same-origin" });
}

describeAttacks("ignores members in __proto__", [
  {
    name: "of the login's response: the token is not refreshed, and no refresh token is revoked",
    source: "CWE-1321",
    fault: moveIntoProto,
    async attack(world) {
      await signedIn(await signIn(world), world);
      return useTokenThenSignOut(world);
    },
    outcome: (_answer, { requestsTo }) =>
      void expect([requestsTo(TOKEN).length, requestsTo(REVOCATION)]).toEqual([1, []]),
  },
  {
    name: "of a refresh response: the token is not refreshed again, and the earlier refresh token is revoked",
    source: "CWE-1321",
    async attack(world) {
      await hasToken(await ENDPOINTS.refresh.reach(({ provider }) => moveIntoProto(provider))(world), world);
      return useTokenThenSignOut(world);
    },
    outcome(_answer, { requestsTo, provider }) {
      expect(requestsTo(TOKEN)).toHaveLength(2);
      const revoked = requestsTo(REVOCATION).map(({ body }) => new URLSearchParams(body).get("token") ?? "");
      expect([revoked.length, provider.issued.includes(revoked[0] ?? "")]).toEqual([1, true]);
    },
  },
]);
