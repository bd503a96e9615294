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
 * Creates the handler of POST /backchannel-logout (OpenID Connect Back-Channel Logout 1.0, section 2.5). It
 * responds with 200 after the sessions are destroyed in the store, and with 400 after any failure (section
 * 2.8). After a 400 the provider may repeat the request, also with the same token.
 */
export function createBackChannelStep(router: RouterContext) {
  return async function backChannelLogout({ req, res }: RequestContext): Promise<void> {
    discardNewSession(req, router.settings); // the provider's request needs no session of the application
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
    res.statusCode = 200; // with a body, because some frameworks treat an empty body as 204
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
    await use?.fail().catch(() => {}); // the provider repeats a failed request with the same token
    throw error;
  }
  await use?.succeed().catch((error) => logFailure(router.log, toPortalAuthError(error)));
}

/**
 * Begins the use of a logout token. A store without free memory cannot save that use, but it can still end
 * sessions. The logout then continues. A second use of the token would end the same sessions again.
 *
 * @returns undefined if the store cannot save the use
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
  if (!token || others.length > 0) throw createTokenError("logout_token must be present exactly once");
  return token;
}

/** Creates the error body of section 2.8, with the error codes of RFC 6749. */
function createErrorBody(error: PortalAuthError) {
  const { code, status } = error;
  const detail = getPublicDetail(error);
  return {
    error: status === 503 ? "temporarily_unavailable" : "invalid_request",
    error_description: detail === undefined ? code : `${code}: ${detail}`,
  };
}

const createTokenError = (detail: string) => new PortalAuthError("logout_token_invalid", { detail });
