import { revokeTokens } from "../context/revoke-tokens.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { preventSilentLogin } from "../login/silent-login-cookie.js";
import { endSessionOfRequest } from "../session/end-session.js";
import {
  type EndedSession,
  endSessionOfUser,
  isCurrentSession,
  listUserSessions,
  type UserSession,
} from "../session/user-sessions.js";
import { emitLogout, revokeAndCallHooks } from "./after-logout.js";
import { type Device, parseDevice } from "./parse-device.js";

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
export async function listSessions(
  { settings }: RouterContext,
  { req }: RequestContext,
): Promise<SessionInfo[]> {
  const sessions = await listUserSessions(req, settings);
  return Promise.all(sessions.map(addDevice));
}

const addDevice = async (session: UserSession): Promise<SessionInfo> => ({
  ...session,
  device: await parseDevice(session.user_agent),
});

/**
 * Ends one of them.
 *
 * @returns false where the person has no such session (any more)
 */
export async function endListedSession(
  router: RouterContext,
  { req, res }: RequestContext,
  id: string,
): Promise<boolean> {
  const isOwn = isCurrentSession(req, router.settings, id);
  if (isOwn) {
    preventSilentLogin(res, router.settings);
    router.loginAttempts.clear({ req, res }, "");
  }
  const ended = isOwn
    ? await endOwnSession(router, { req, res }, id)
    : await endSessionOfUser(req, router.settings, id);
  if (ended.length === 0) return false;
  emitLogout(router, "session_ended", ended.length);
  await revokeAndCallHooks(router, req, "session_ended", ended);
  return true;
}

async function endOwnSession(
  router: RouterContext,
  { req, res }: Pick<RequestContext, "req" | "res">,
  id: string,
): Promise<EndedSession[]> {
  const ended = await endSessionOfRequest(req, res, router.settings);
  if (ended?.isEndedHere) return [{ id, login: ended.login }];
  void revokeTokens(router, [ended?.login.tokens.refresh_token]);
  return [];
}
