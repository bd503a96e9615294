import type { Request } from "express";
import { PortalAuthError } from "../../errors.js";
import { holderOf, type Instance } from "../holder.js";
import { findKeeper, type Keeper } from "../keeper.js";
import type { SeenTokens } from "../seen.js";
import { lastLogin, readSession, type SessionRules, storeFailed } from "../session.js";
import type { StoredPortal } from "../stored.js";
import { keptUserAgent, personOf } from "./making.js";
import { type EndedSession, endSessions, endThese, findSessions, publicId } from "./persons-sessions.js";
import { type EndedByProvider, holderOfLogin, type Known, type Person } from "./session-index.js";

/** One of a person's sessions, as they may see it. */
export interface PersonsSession {
  readonly id: string;
  readonly started_at: number;
  readonly last_seen_at: number;
  readonly user_agent: string | undefined;
  readonly is_current: boolean;
}

/** The sessions that the person of this request has with this portalAuth(); the one that was used last comes first. */
export async function sessionsOf(on: Request, rules: SessionRules): Promise<PersonsSession[]> {
  const { person, keeper, id: current } = whoseIs(on, rules);
  return toldAs("list", async () => {
    const found = await findSessions(keeper, person);
    const sessions = found
      .filter(({ entry }) => entry.redirect_uri === rules.redirectUri)
      .map(({ id, entry, login }) => seenOf(id, login, entry.user_agent, id === current));
    if (!sessions.some(({ is_current }) => is_current)) {
      const login = (await keeper.read(current))?.portal; // begun before there was an index, or the store has lost that
      if (login) sessions.push(seenOf(current, login, keptUserAgent(on.headers["user-agent"]), true));
    }
    return sessions.sort((one, other) => other.last_seen_at - one.last_seen_at);
  });
}

const seenOf = (
  id: string,
  login: StoredPortal,
  user_agent: string | undefined,
  is_current: boolean,
): PersonsSession => ({
  id: publicId(id),
  started_at: login.started_at,
  last_seen_at: lastSeen(login),
  user_agent,
  is_current,
});

/**
 * Ends the other sessions of the user of this request, with this portalAuth(), and logins of the same user that are being
 * made at the same time. The session of the request itself stays, for the caller to end; it may have come to its end.
 */
export async function endOthers(on: Request, rules: SessionRules): Promise<EndedSession[]> {
  const { sessionID: current, sessionStore } = holderOf(on, rules);
  const [login, keeper] = [lastLogin(on, rules), findKeeper(sessionStore)];
  if (!login || !keeper) return [];
  const ended = { redirect_uri: rules.redirectUri };
  return toldAs("end", () => endSessions(keeper, personOf(login), (entry) => isOther(entry, current, rules), ended));
}

const isOther = ({ id, redirect_uri }: Known, current: string, { redirectUri }: SessionRules): boolean =>
  id !== current && redirect_uri === redirectUri;

/** Ends another of them: the login that was in it, if an application has moved that since it was listed. */
export async function endOther(on: Request, rules: SessionRules, listed: string): Promise<EndedSession[]> {
  const { person, keeper, id: current } = whoseIs(on, rules);
  return toldAs("end", async () => {
    const known = await keeper.index.of(person);
    const its = known.find((entry) => publicId(entry.id) === listed);
    if (!its) return [];
    const isIt = holderOfLogin(its.id, its);
    return endThese(keeper, person, (entry) => isIt(entry) && isOther(entry, current, rules));
  });
}

/** Whether this is what the session of the request is called. */
export const isCurrent = (on: Request, rules: SessionRules, id: string): boolean =>
  publicId(whoseIs(on, rules).id) === id;

/** Whose sessions a portal wants to be ended. */
export interface PortalsLogout {
  readonly sub?: string | undefined;
  readonly sid?: string | undefined;
  /** When it said so, in epoch seconds: a login that it has told of later is another. */
  readonly iat: number;
}

/**
 * Ends the sessions that this portal means, of whichever of its client's redirect addresses. Of a person whose sessions do
 * not say which of the portal's they belong to, all of them: one of these may be meant.
 *
 * @param onlyKnown for a wish that anybody can utter: nothing is written for what nobody here knows
 */
export async function endAsPortalSays(
  on: Request,
  { issuer, clientId: client_id, clockTolerance, ...rules }: SessionRules & { readonly clockTolerance: number },
  { sub, sid, iat }: PortalsLogout,
  onlyKnown = false,
): Promise<EndedSession[]> {
  const keeper = keeperHere(on, rules);
  const ended: EndedByProvider = { sid, iat, tolerance: clockTolerance };
  const isLater = (entry: Known) => entry.iat !== undefined && entry.iat > iat + clockTolerance; // beyond any doubt
  const isMeant = (entry: Known) =>
    (sid === undefined || entry.sid === undefined || entry.sid === sid) && !isLater(entry);
  return toldAs("end", async () => {
    const client = { issuer, client_id };
    const subs =
      sub === undefined ? await keeper.index.endSid(client, { ...ended, sid: sid as string }, onlyKnown) : [sub];
    const all = await Promise.all(subs.map((each) => endSessions(keeper, { ...client, sub: each }, isMeant, ended)));
    return all.flat();
  });
}

/**
 * The tokens that were used before, as the store of this request's session knows.
 *
 * @throws PortalAuthError `session_missing`
 */
export const tokensSeenBy = (on: Request, instance: Instance): SeenTokens => keeperHere(on, instance).seen;

function keeperHere(on: Request, instance: Instance): Keeper {
  const keeper = findKeeper(holderOf(on, instance).sessionStore);
  if (!keeper) throw new PortalAuthError("session_missing");
  return keeper;
}

interface Whose {
  readonly person: Person;
  readonly keeper: Keeper;
  readonly id: string;
}

/** @throws PortalAuthError `login_required` */
function whoseIs(on: Request, rules: SessionRules): Whose {
  const login = readSession(on, rules);
  const req = holderOf(on, rules);
  const keeper = findKeeper(req.sessionStore);
  if (!login || !keeper) throw new PortalAuthError("login_required");
  return { person: personOf(login), keeper, id: req.sessionID };
}

const lastSeen = ({ seen_at, obtained_at, started_at }: StoredPortal): number =>
  Math.max(...[seen_at, obtained_at, started_at].filter((time) => Number.isFinite(time)).map(Number));

const NOT_ENDED = "Signing out did not work for all of your sessions. Please try again.";

async function toldAs<T>(verb: "list" | "end", work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw storeFailed(verb, cause, verb === "end" ? NOT_ENDED : undefined);
  }
}
