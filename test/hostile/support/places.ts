import { expect, vi } from "vitest";
import type { PortalAuthErrorCode } from "../../../lib/index.js";
import type { Answer } from "../../support/browser.js";
import { later, logInAndOut } from "./acts.js";
import { logIn, type Outcome, type World } from "./attack.js";
import { refused, staysIn, welcomed } from "./outcomes.js";

export const DISCOVERY = "/.well-known/openid-configuration";
export const KEYS = "/oauth2/jwks";
export const TOKEN = "/oauth2/token";
export const USERINFO = "/userinfo";
export const REVOCATION = "/oauth2/revoke";

/** Injects a fault after all earlier steps have passed. */
export type Lay = (world: World) => unknown;

interface Spot {
  readonly path: string;
  /** How a user gets there. */
  readonly meet: (lay: Lay) => (world: World) => Promise<Answer>;
  /** Expects that it ended with this failure, or that it passed. */
  readonly fails: (code: PortalAuthErrorCode) => Outcome;
  readonly passes: Outcome;
  /** Expects that the next try passes, because the provider is honest again. */
  readonly passesNext: (world: World) => unknown;
}

const atLogin: Omit<Spot, "path"> = {
  meet: (lay) => async (world) => {
    await lay(world);
    return logIn(world);
  },
  fails: refused,
  passes: welcomed,
  passesNext: async (world) => welcomed(await logIn(world), world),
};

const askToken = ({ victim, base }: World): Promise<Answer> => victim.fetch(`${base}/token`);
const askUserInfo = ({ victim, base }: World): Promise<Answer> => victim.fetch(base + USERINFO);

/** Logs in with a token that has already expired, so that its first use needs a refresh. */
export async function logInForAMoment(world: World): Promise<void> {
  world.portal.nextTokenResponse({ expires_in: 0 });
  await welcomed(await logIn(world), world);
}

/** Expects, after a login, that the app has a token, or what the provider says about the user. */
export const tokenGiven: Outcome = ({ status, body }) =>
  void expect([status, body]).toEqual([200, '{"ok":true}']);
export const personTold: Outcome = ({ status, body }, { victim }) => {
  expect(status, body).toBe(200);
  expect(JSON.parse(body)).toMatchObject(victim.person);
};

/** The first pause of a session after a failed refresh, in seconds. */
const FIRST_PAUSE = 2;

/** Expects that the user is signed out here, and was sent to the provider's own logout. */
export const signedOut: Outcome = async ({ status, url: at }, { victim, whoIs, url, asked }) => {
  expect([status, at.startsWith(url), await whoIs(victim)]).toEqual([200, true, undefined]);
  expect([asked(REVOCATION).length, asked("/logout").length]).toEqual([1, 1]);
};

/** Each endpoint of the provider that the app calls. */
export const PLACES = {
  discovery: { path: DISCOVERY, ...atLogin },
  keys: { path: KEYS, ...atLogin },
  token: { path: TOKEN, ...atLogin },
  refresh: {
    path: TOKEN,
    meet: (lay) => async (world) => {
      await logInForAMoment(world);
      await lay(world);
      return askToken(world);
    },
    fails: staysIn,
    passes: tokenGiven,
    async passesNext(world) {
      await later(world, FIRST_PAUSE);
      // A refresh waits for twice httpTimeout, and no other refresh begins meanwhile.
      await vi.waitFor(async () => tokenGiven(await askToken(world), world), { timeout: 10_000 });
    },
  },
  userinfo: {
    path: USERINFO,
    meet: (lay) => async (world) => {
      await logIn(world);
      await lay(world);
      return askUserInfo(world);
    },
    fails: staysIn,
    passes: personTold,
    passesNext: async (world) => personTold(await askUserInfo(world), world),
  },
  revocation: {
    path: REVOCATION,
    meet: (lay) => async (world) => {
      await lay(world);
      return logInAndOut(world);
    },
    fails: () => signedOut, // a fault there does not affect the user
    passes: signedOut,
    passesNext: async (world) => welcomed(await logIn(world), world),
  },
} as const satisfies Record<string, Spot>;

export type Place = keyof typeof PLACES;

/** The expected code, by endpoint, or one code for all of them. */
export type Told =
  | PortalAuthErrorCode
  | (Partial<Record<Place, PortalAuthErrorCode>> & { others: PortalAuthErrorCode });

export const toldAt = (told: Told, place: Place): PortalAuthErrorCode =>
  typeof told === "string" ? told : (told[place] ?? told.others);
