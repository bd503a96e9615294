import { revokeTokens } from "../context/revoke-tokens.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { getRouteUrl, getStartPage } from "../http/external-url.js";
import type { TakenAttempt } from "../login-attempt/login-attempts.js";
import type { Provider } from "../provider/discovery.js";
import { type CodeResponse, exchangeCode } from "../provider/exchange-code.js";
import { beginSession } from "../session/begin-session.js";
import type { PortalSession } from "../session/login-record.js";
import { checkCookieCanBeSet } from "../session/session-cookie.js";
import { startTimer } from "../util/time.js";
import type { LoginReport } from "./login-report.js";
import { type AcceptedLogin, runHooks } from "./run-hooks.js";

/** A finished login. The store keeps it for other processes, so its members are a stored format. */
export interface FinishedLogin {
  readonly sessionId: string;
  readonly return_to: string;
}

/**
 * Finishes a login: exchanges the code for verified tokens, runs the hooks, and creates the session. The
 * session is last, because it changes the session id, so all other steps must have succeeded. If a step after
 * the exchange fails, the refresh token is revoked.
 *
 * @param response the authorization response, whose state, issuer and error are checked
 * @returns the new session's id, and the page that the browser goes to. That is the page of a saved form,
 *   else the page that a hook chose, else the requested page.
 * @throws PortalAuthError the one of checkCookieCanBeSet(), exchangeCode(), runHooks() or beginSession()
 */
export async function finishLogin(
  router: RouterContext,
  request: RequestContext,
  report: LoginReport,
  provider: Provider,
  response: CodeResponse,
  { loginAttempt, expected }: TakenAttempt,
): Promise<FinishedLogin> {
  const { settings } = router;
  const { req, mount } = request;
  checkCookieCanBeSet(req, settings);
  report.startStep("exchange");
  const getRequestAgeMs = startTimer(settings.clock);
  const verified = await exchangeCode(provider, response.code, expected, () => report.startStep("checks"));
  try {
    report.startStep("hooks");
    const accepted = await runHooks(settings.hooks, verified, req, {
      requested: loginAttempt.return_to,
      home: getStartPage(settings, mount),
      members: response.members,
    });
    report.startStep("session");
    const newSession = createNewSession(router, accepted, getRequestAgeMs, loginAttempt);
    const sessionId = await beginSession(req, newSession);
    const { form } = newSession;
    const formPage = form && getRouteUrl(settings, mount, String(settings.routes.form));
    return { sessionId, return_to: formPage ?? accepted.return_to };
  } catch (error) {
    void revokeTokens(router, [verified.tokens.refresh_token]); // no session has these tokens
    throw error;
  }
}

function createNewSession(
  router: RouterContext,
  { return_to, ...accepted }: AcceptedLogin,
  getRequestAgeMs: () => number,
  { form: formId, isFromOutside = false }: TakenAttempt["loginAttempt"],
) {
  const { settings } = router;
  return {
    ...accepted,
    getRequestAgeMs,
    policy: settings,
    keepKeys: settings.keepSessionKeys,
    shouldKeepAll: isFromOutside,
    form: formId === undefined ? undefined : { id: formId, back: return_to },
    /** The other user has not signed out in this browser, so these tokens are still valid. */
    onReplaced({ tokens }: PortalSession) {
      void revokeTokens(router, [tokens.refresh_token]);
    },
  };
}
