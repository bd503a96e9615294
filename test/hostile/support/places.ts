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

/** Lays a lie, when all that comes before it has passed. */
export type Lay = (world: World) => unknown;

interface Spot {
  readonly path: string;
  /** How a person gets there. */
  readonly meet: (lay: Lay) => (world: World) => Promise<Answer>;
  /** That it ended badly, with this failure, or well. */
  readonly fails: (code: PortalAuthErrorCode) => Outcome;
  readonly passes: Outcome;
  /** The portal is honest again: whatever there was, the next try passes. */
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

/** A login whose token ends at once: who asks for it has it refreshed. */
export async function logInForAMoment(world: World): Promise<void> {
  world.portal.nextTokenResponse({ expires_in: 0 });
  await welcomed(await logIn(world), world);
}

/** After a login, the app has been given a token, or what the portal tells of the person. */
export const tokenGiven: Outcome = ({ status, body }) =>
  void expect([status, body]).toEqual([200, '{"ok":true}']);
export const personTold: Outcome = ({ status, body }, { victim }) => {
  expect(status, body).toBe(200);
  expect(JSON.parse(body)).toMatchObject(victim.person);
};

/** After a failure a session waits before it asks for new tokens again; so long at first, in seconds. */
const FIRST_PAUSE = 2;

/** Whoever signs out is out here, and sent to the portal's own logout. */
export const signedOut: Outcome = async ({ status, url: at }, { victim, whoIs, url, asked }) => {
  expect([status, at.startsWith(url), await whoIs(victim)]).toEqual([200, true, undefined]);
  expect([asked(REVOCATION).length, asked("/logout").length]).toEqual([1, 1]);
};

/** Each place where the app asks the portal for something. */
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
      // The answer to a refresh is awaited for twice httpTimeout, and no other refresh begins meanwhile.
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
    fails: () => signedOut, // nothing that happens there is the person's trouble
    passes: signedOut,
    passesNext: async (world) => welcomed(await logIn(world), world),
  },
} as const satisfies Record<string, Spot>;

export type Place = keyof typeof PLACES;

/** What a failure is told as, by place; a text for all of them. */
export type Told =
  | PortalAuthErrorCode
  | (Partial<Record<Place, PortalAuthErrorCode>> & { others: PortalAuthErrorCode });

export const toldAt = (told: Told, place: Place): PortalAuthErrorCode =>
  typeof told === "string" ? told : (told[place] ?? told.others);
