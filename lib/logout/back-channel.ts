import type { Request } from "express";
import { logFailure } from "../answer/log.js";
import { setResponseHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import { closeConnectionIfBodyUnread } from "../answer/unread-body.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { getPublicDetail, PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { readFormOrThrow } from "../http/parameters.js";
import { LOGOUT_TOKEN_SECONDS, verifyLogoutToken } from "../provider/verify-logout-token.js";
import { discardNewSession } from "../session/end-session.js";
import { endSessionsForProvider } from "../session/user-sessions.js";
import { finishProviderLogout } from "./after-logout.js";
import { beginLogoutTokenUse, type LogoutTokenUse } from "./logout-token-use.js";

/**
 * POST /backchannel-logout (OpenID Connect Back-Channel Logout 1.0, section 2.5). The answer says 200 when the sessions are
 * destroyed in the store, and 400 otherwise, whatever was in the way (section 2.8): the portal may ask again then, also with
 * the same token.
 */
export function createBackChannelStep(router: RouterContext) {
  return async function backChannelLogout({ req, res }: RequestContext): Promise<void> {
    discardNewSession(req, router.settings); // the portal needs none of the application's
    setResponseHeaders(res);
    try {
      await endSessionsOfLogoutToken(router, req);
    } catch (thrown) {
      const error = toPortalAuthError(thrown);
      logFailure(router.log, error);
      closeConnectionIfBodyUnread(req, res);
      res.statusCode = 400;
      return send(res, "application/json", JSON.stringify(createErrorBody(error)));
    }
    res.statusCode = 200; // a body is not needed, but some frameworks at the other end read an empty one as 204
    send(res, "application/json", "{}");
  };
}

async function endSessionsOfLogoutToken(router: RouterContext, req: Request): Promise<void> {
  const { settings } = router;
  const token = await verifyLogoutToken(
    await router.getProvider(),
    readLogoutToken(await readFormOrThrow(req, "logout_token_invalid")),
  );
  const use = await rejectReplay(router, req, token.jti);
  try {
    const outcome = await endSessionsForProvider(req, settings, { reason: "backchannel", ...token });
    finishProviderLogout(router, req, "backchannel", outcome);
  } catch (error) {
    await use?.fail().catch(() => {}); // the provider sends a token again if the logout has failed
    throw error;
  }
  await use?.succeed().catch((error) => logFailure(router.log, toPortalAuthError(error)));
}

/**
 * Begins the use of a logout token. A store whose memory is full cannot note that, but it can still end sessions: the logout
 * goes on, and the token could be used a second time, which ends the same sessions again.
 *
 * @returns undefined if the store cannot note it
 * @throws PortalAuthError `logout_token_invalid` if the token was used before, or is in use
 */
async function rejectReplay(
  { settings, log }: RouterContext,
  req: Request,
  jti: string,
): Promise<LogoutTokenUse | undefined> {
  const lifeMs = 1000 * (LOGOUT_TOKEN_SECONDS + 2 * settings.clockTolerance);
  let use: LogoutTokenUse | undefined;
  try {
    use = await beginLogoutTokenUse(req, settings, jti, lifeMs);
  } catch (error) {
    logFailure(log, toPortalAuthError(error));
    return undefined;
  }
  if (!use) throw createTokenError("claim jti: seen before");
  return use;
}

function readLogoutToken(form: URLSearchParams): string {
  const [token, ...others] = form.getAll("logout_token");
  if (!token || others.length > 0) throw createTokenError("not one logout_token");
  return token;
}

/** Creates the body of section 2.8, with the codes of RFC 6749. */
function createErrorBody(error: PortalAuthError) {
  const { code, status } = error;
  const detail = getPublicDetail(error);
  return {
    error: status === 503 ? "temporarily_unavailable" : "invalid_request",
    error_description: detail === undefined ? code : `${code}: ${detail}`,
  };
}

const createTokenError = (detail: string) => new PortalAuthError("logout_token_invalid", { detail });
