import { expect, vi } from "vitest";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import type { Answer } from "../../support/browser.js";
import { type Outcome, signIn, type World } from "./attack.js";
import { rejectedWith, signedIn, staysSignedIn } from "./outcomes.js";
import { advanceClock, signInAndOut } from "./sign-in-steps.js";

export const DISCOVERY = "/.well-known/openid-configuration";
export const KEYS = "/oauth2/jwks";
export const TOKEN = "/oauth2/token";
export const USERINFO = "/userinfo";
export const REVOCATION = "/oauth2/revoke";

/** Makes the endpoint misbehave. It runs after all earlier steps have passed. */
export type InjectFault = (world: World) => unknown;

/** How a user reaches an endpoint, and what the user sees afterwards. */
interface EndpointCase {
  readonly path: string;
  /** Returns steps of a user that lead to a request to this endpoint. */
  readonly reach: (inject: InjectFault) => (world: World) => Promise<Answer>;
  /** Expects that the steps ended with this failure. */
  readonly fails: (code: PortalAuthErrorCode) => Outcome;
  /** Expects that the steps succeeded. */
  readonly passes: Outcome;
  /** Expects that the next try succeeds, because the fault is over. */
  readonly nextTryPasses: (world: World) => unknown;
}

const atLogin: Omit<EndpointCase, "path"> = {
  reach: (inject) => async (world) => {
    await inject(world);
    return signIn(world);
  },
  fails: rejectedWith,
  passes: signedIn,
  nextTryPasses: async (world) => signedIn(await signIn(world), world),
};

const fetchToken = ({ victim, base }: World): Promise<Answer> => victim.fetch(`${base}/token`);
const fetchUserInfo = ({ victim, base }: World): Promise<Answer> => victim.fetch(base + USERINFO);

/** Signs the victim in with a token that has already expired, so that its first use needs a refresh. */
export async function signInWithExpiredToken(world: World): Promise<void> {
  world.provider.nextTokenResponse({ expires_in: 0 });
  await signedIn(await signIn(world), world);
}

/** Expects that the app has an access token. */
export const hasToken: Outcome = ({ status, body }) =>
  void expect([status, body]).toEqual([200, '{"ok":true}']);

/** Expects that the app has the provider's claims about the victim. */
export const hasUserInfo: Outcome = ({ status, body }, { victim }) => {
  expect(status, body).toBe(200);
  expect(JSON.parse(body)).toMatchObject(victim.user);
};

/** The first pause of a session after a failed refresh, in seconds. */
const FIRST_PAUSE_SECONDS = 2;

/** Expects that the victim is signed out of the app, and was sent to the provider's own logout. */
export const signedOut: Outcome = async (answer, { victim, signedInUser, url, requestsTo }) => {
  expect([answer.status, answer.url.startsWith(url), await signedInUser(victim)]).toEqual([
    200,
    true,
    undefined,
  ]);
  expect([requestsTo(REVOCATION).length, requestsTo("/logout").length]).toEqual([1, 1]);
};

/** Each endpoint of the provider that the app calls. The token endpoint occurs twice. */
export const ENDPOINTS = {
  discovery: { path: DISCOVERY, ...atLogin },
  keys: { path: KEYS, ...atLogin },
  token: { path: TOKEN, ...atLogin },
  refresh: {
    path: TOKEN,
    reach: (inject) => async (world) => {
      await signInWithExpiredToken(world);
      await inject(world);
      return fetchToken(world);
    },
    fails: staysSignedIn,
    passes: hasToken,
    async nextTryPasses(world) {
      await advanceClock(world, FIRST_PAUSE_SECONDS);
      // A refresh waits for twice httpTimeout, and no other refresh starts meanwhile.
      await vi.waitFor(async () => hasToken(await fetchToken(world), world), { timeout: 10_000 });
    },
  },
  userinfo: {
    path: USERINFO,
    reach: (inject) => async (world) => {
      await signIn(world);
      await inject(world);
      return fetchUserInfo(world);
    },
    fails: staysSignedIn,
    passes: hasUserInfo,
    nextTryPasses: async (world) => hasUserInfo(await fetchUserInfo(world), world),
  },
  revocation: {
    path: REVOCATION,
    reach: (inject) => async (world) => {
      await inject(world);
      return signInAndOut(world);
    },
    fails: () => signedOut, // a fault at this endpoint does not affect the user
    passes: signedOut,
    nextTryPasses: async (world) => signedIn(await signIn(world), world),
  },
} as const satisfies Record<string, EndpointCase>;

export type Endpoint = keyof typeof ENDPOINTS;

/** The expected code: one for all endpoints, or one for some endpoints and one for all others. */
export type ExpectedCode =
  | PortalAuthErrorCode
  | (Partial<Record<Endpoint, PortalAuthErrorCode>> & { others: PortalAuthErrorCode });

export const expectedCodeAt = (expected: ExpectedCode, endpoint: Endpoint): PortalAuthErrorCode =>
  typeof expected === "string" ? expected : (expected[endpoint] ?? expected.others);
