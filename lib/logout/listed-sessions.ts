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

/** One of the sessions of a signed-in user. */
export interface SessionInfo {
  /** The id for endSession(). It gives no access to the session. */
  readonly id: string;
  /** Time of the login, in epoch seconds. */
  readonly started_at: number;
  /** Time of the last activity, in epoch seconds, accurate to a minute. */
  readonly last_seen_at: number;
  /** Browser and device at the login, parsed from `user_agent`. A user can forge them. */
  readonly device: Device;
  /** The header User-Agent of the login, cut to 256 characters; undefined if the browser sent none. */
  readonly user_agent: string | undefined;
  /** Whether it is the session of this request. */
  readonly is_current: boolean;
}

/** Returns the sessions of the user of this request. The session that was used last comes first. */
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
 * Ends one session of the user of this request.
 *
 * @returns false if the user has no session with this id
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
