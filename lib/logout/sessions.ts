import { revokeQuietly } from "../context/revoke-tokens.js";
import type { Parts, Visit } from "../context/router-context.js";
import { markTried } from "../login/silent-mark.js";
import { endSession } from "../session/end-session.js";
import {
  type EndedSession,
  endOther,
  isCurrent,
  sessionsOf,
  type UserSession,
} from "../session/user-sessions.js";
import { afterwards, tellEvent } from "./after-logout.js";
import { type Device, deviceOf } from "./device.js";

/** One of the sessions of a person who is logged in. */
export interface SessionInfo {
  /** What endSession() calls it. It opens nothing. */
  readonly id: string;
  /** When the person logged in, in epoch seconds. */
  readonly started_at: number;
  /** When it was last in use, in epoch seconds: as far as is known, which is to some minutes. */
  readonly last_seen_at: number;
  /** What the browser said of itself at the login, in a few words: a guess, which anybody can forge. */
  readonly device: Device;
  /** The same as it was sent, cut to 256 characters; undefined where nothing was. */
  readonly user_agent: string | undefined;
  /** Whether it is the one of this request. */
  readonly is_current: boolean;
}

/** The sessions of this request's person; the one that was used last comes first. */
export async function listSessions({ settings }: Parts, { req }: Visit): Promise<SessionInfo[]> {
  const sessions = await sessionsOf(req, settings);
  return Promise.all(sessions.map(withDevice));
}

const withDevice = async (session: UserSession): Promise<SessionInfo> => ({
  ...session,
  device: await deviceOf(session.user_agent),
});

/**
 * Ends one of them.
 *
 * @returns false where the person has no such session (any more)
 */
export async function endOne(parts: Parts, { req, res }: Visit, id: string): Promise<boolean> {
  const isOwn = isCurrent(req, parts.settings, id);
  if (isOwn) {
    markTried(res, parts.settings);
    parts.transactions.clear({ req, res }, "");
  }
  const ended = isOwn ? await endOwn(parts, { req, res }, id) : await endOther(req, parts.settings, id);
  if (ended.length === 0) return false;
  tellEvent(parts, "session_ended", ended.length);
  await afterwards(parts, req, "session_ended", ended);
  return true;
}

async function endOwn(
  parts: Parts,
  { req, res }: Pick<Visit, "req" | "res">,
  id: string,
): Promise<EndedSession[]> {
  const ended = await endSession(req, res, parts.settings);
  if (ended?.isEndedHere) return [{ id, login: ended.login }];
  void revokeQuietly(parts, [ended?.login.tokens.refresh_token]);
  return [];
}
