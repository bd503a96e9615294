import type { Request } from "express";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import { readSession, type StoredLogin, storedLogin, updateSession } from "../session/session.js";
import { hasExpired } from "../util/time.js";
import { withinTime } from "../util/with-timeout.js";
import { endsSession, renewal } from "./renew.js";

/**
 * If a refresh takes longer, requests get the old token while it is good. This counts from the beginning of the refresh: if
 * the provider is slow, or a process was killed during a refresh, later requests get the old token at once.
 */
const PATIENCE_MS = 2000;

/** What is wanted of the tokens. */
export interface Wish {
  /** The version of a token set that somebody refused, although it had not ended: any newer one will do. */
  readonly refused?: number;
}

/**
 * The login of this request, with an access token that is good for the leeway at least; refreshed when it was not.
 *
 * @throws PortalAuthError `login_required`, `token_expired`, `refresh_refused` and `refresh_identity_mismatch` when the
 *   user must sign in again; `refresh_failed` and the provider's own failures, all of them 503, when it may work later
 */
export async function freshSession(
  router: RouterContext,
  req: Request,
  wish: Wish = {},
): Promise<PortalSession> {
  const session = readSession(req, router.settings);
  if (!session) throw new PortalAuthError("login_required");
  if (isEnough(router, session, wish)) return session;
  const isGood = wish.refused === undefined && !hasEnded(router, session);
  if (session.tokens.refresh_token === undefined) {
    if (isGood) return session;
    throw new PortalAuthError("token_expired");
  }
  try {
    return await renewed(router, req, session, wish, isGood);
  } catch (error) {
    if (needsLogin(error)) throw error;
    if (isGood && !hasEnded(router, session)) return session; // the portal may come back before the token ends
    throw temporary(error);
  }
}

/** So long after a refresh that a refusal has brought another refusal brings none. */
const FORCE_AGAIN_SECONDS = 5 * 60;

/**
 * The login with a new token, as a resource has refused this one although it has not ended. Undefined where there is none
 * to be had, and where this one came in the same way: a resource that answers 401 to everything would cost the portal a
 * refresh for each call, from every process.
 *
 * @throws PortalAuthError as freshSession() does
 */
export async function renewRefused(router: RouterContext, req: Request, session: PortalSession) {
  const { after_refusal, obtained_at, tokens, version } = session;
  const isFinal =
    after_refusal === true && router.settings.clock() / 1000 < obtained_at + FORCE_AGAIN_SECONDS;
  if (isFinal || tokens.refresh_token === undefined) return undefined;
  return freshSession(router, req, { refused: version });
}

/**
 * The same for who hands on what the resource has answered: its 401 says more than that there is no other token right now.
 *
 * @throws PortalAuthError where the person must sign in again for the portal's own reasons, and as a hook fails
 */
export async function renewUnlessDown(router: RouterContext, req: Request, session: PortalSession) {
  try {
    return await renewRefused(router, req, session);
  } catch (error) {
    if (isCode(error, "token_expired") || (error as PortalAuthError).status === 503) return undefined;
    throw error;
  }
}

/** Whether the access token lasts for the leeway. Of one that lives no longer than that, half its life. */
export function isFresh({ settings }: RouterContext, { tokens, obtained_at }: PortalSession): boolean {
  if (tokens.expires_at === undefined) return true; // the portal does not say: it is good until somebody refuses it
  const life = tokens.expires_at - (obtained_at ?? tokens.expires_at);
  const leeway = life > 0 ? Math.min(settings.refreshLeeway, life / 2) : settings.refreshLeeway;
  return settings.clock() / 1000 + leeway < tokens.expires_at;
}

const isEnough = (router: RouterContext, session: PortalSession, { refused }: Wish): boolean =>
  isFresh(router, session) && (refused === undefined || session.version > refused);

const hasEnded = ({ settings }: RouterContext, { tokens }: PortalSession): boolean =>
  hasExpired(tokens, settings.clock);

/** Whether this failure means that only a new login helps. */
export const needsLogin = (error: unknown): boolean =>
  endsSession(error) || isCode(error, "login_required") || isCode(error, "token_expired");

const isCode = (error: unknown, code: PortalAuthErrorCode): boolean =>
  error instanceof PortalAuthError && error.code === code;

async function renewed(
  router: RouterContext,
  req: Request,
  session: PortalSession,
  wish: Wish,
  isGood: boolean,
) {
  const login = storedLogin(req, router.settings);
  const patience = Math.max(0, PATIENCE_MS - router.refreshOnce.ageMs(login.key));
  const work = newer(router, req, login, session, wish).then(
    (portal) => {
      updateSession(req, router.settings, login.key, portal);
      return portal;
    },
    (error) => {
      if (endsSession(error) || isCode(error, "login_required"))
        updateSession(req, router.settings, login.key, undefined); // it is gone
      throw error;
    },
  );
  if (!isGood) return work;
  // the refresh continues for the next request; if the token expires meanwhile, this one waits for it, too
  return withinTime(work, patience, () => (hasEnded(router, session) ? work : session));
}

async function newer(
  router: RouterContext,
  req: Request,
  login: StoredLogin,
  { version = 0 }: PortalSession,
  wish: Wish,
) {
  const isNewer = (stored: PortalSession) => stored.version > version && isEnough(router, stored, wish);
  const wanted = { isEnough: isNewer, afterRefusal: wish.refused !== undefined };
  const ask = () => router.refreshOnce(login.key, renewal(router, req, login, wanted));
  const portal = await ask();
  return portal.version > version ? portal : ask(); // it was under way already, for somebody with an older copy
}

/** A failure that does not end the session is reported as one to try again, whatever the provider meant. */
function temporary(thrown: unknown): PortalAuthError {
  const error = toPortalAuthError(thrown);
  if (error.status === 503 || error.code === "hook_failed") return error;
  const { code, detail, hint, providerDescription } = error;
  const seen = `${code}: ${detail ?? hint}`;
  return new PortalAuthError("refresh_failed", { detail: seen, providerDescription, cause: error });
}
