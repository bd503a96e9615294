import { logFailure, logSharedFailure, logUnconditionally } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { revokeTokens } from "../context/revoke-tokens.js";
import { offerLogin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { startTimer } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getRouteUrl, getStartPage } from "../http/external-url.js";
import type { LoginAttempt } from "../login-attempt/encode-attempt.js";
import type { Provider } from "../provider/discovery.js";
import { checkResponse, type Expected, exchange, type GoodResponse } from "../provider/exchange-code.js";
import { beginSession } from "../session/begin-session.js";
import type { PortalSession } from "../session/login-record.js";
import { joinSession, readSession } from "../session/session.js";
import { checkCookieCanBeSet, sessionCookieIsMissing } from "../session/session-cookie.js";
import { addProviderError } from "./authorization-response.js";
import { readAuthorizationResponse, reloadForStrictCookies } from "./form-post.js";
import { isLateCallback, redirectLateCallback } from "./late-callback.js";
import { LoginReport } from "./login-report.js";
import { createLoginSingleFlight } from "./login-single-flight.js";
import { canResumeAsVisitor, resumeAsVisitor } from "./resume-as-visitor.js";
import { runHooks } from "./run-hooks.js";
import { type RunOnceOptions, runOnceAcrossProcesses } from "./run-once-across-processes.js";

interface FinishedLogin {
  readonly sessionId: string;
  readonly return_to: string;
}

/** How long a callback waits for another process that has the code of the same login. */
const WAIT_FOR_OTHER_PROCESS_MS = 30_000;

/** GET /callback */
export function createCallbackStep(router: RouterContext) {
  const { settings, loginAttempts, getProvider, log } = router;
  const lifeMs = settings.loginTimeout * 1000;
  const once = createLoginSingleFlight<FinishedLogin | "another code" | "too late">(lifeMs);

  return async function callback(request: RequestContext): Promise<void> {
    const report = new LoginReport(log.emit, settings.clock);
    try {
      await answer(request, report);
    } catch (thrown) {
      const error = addProviderError(thrown, report.response);
      report.reportFailed(error);
      if (!report.attempted && isLateCallback(router, request, error))
        return redirectLateCallback(router, request);
      if (!report.isDoneByOtherRequest) logOnce(router, error);
      if (report.isSilent && canResumeAsVisitor(router, request))
        return resumeAsVisitor(router, request, report, error);
      if (!report.attempted) throw error;
      const { return_to, acr, max_age } = report.attempted.loginAttempt;
      const strength = { ...(acr && { acr }), ...(max_age !== undefined && { maxAge: max_age }) };
      return sendErrorResponse(
        request.req,
        request.res,
        error,
        offerLogin(router, request.mount, return_to, strength),
      );
    }
  };

  async function answer(request: RequestContext, report: LoginReport): Promise<void> {
    const { req, res } = request;
    const response = readAuthorizationResponse(router, req); // one of each parameter, or refused
    report.response = response;
    report.isSilent = loginAttempts.isSilent(response.state);
    if (await reloadForStrictCookies(router, request, response)) return;
    report.startStep("discovery");
    const provider = await getProvider(); // before anything is spent: a portal that is down costs nobody their login
    report.startStep("state");
    const taken = loginAttempts.take(request, response.state, getStartPage(settings, request.mount)); // begun in this browser, not long ago
    if (taken.kind === "spent") return redirect(res, 303, taken.return_to);
    const { id, loginAttempt, expected } = taken;
    report.attempted = { id, loginAttempt };
    // somebody has signed in meanwhile, in another tab: whom the portal knows does not take their place unasked
    if (report.isSilent && readSession(req, settings)) return redirect(res, 303, loginAttempt.return_to);
    const good = checkResponse(provider, response); // iss, error
    report.isDoneByOtherRequest = true; // unless the work falls to this request
    const finished = await once(id, good.code, () => {
      report.isDoneByOtherRequest = false;
      const callback = { id, code: good.code, lifeMs };
      return runOnceAcrossProcesses(req, settings, callback, amongProcesses(report), () =>
        finish(request, provider, good, expected, loginAttempt, report).catch(throwAsPortalAuthError),
      );
    });
    if (finished === "too late") return redirect(res, 303, loginAttempt.return_to); // as for one that is spent
    if (finished === "another code") return refuseReuse(request, loginAttempt, report);
    const joined = await joinSession(req, settings, finished.sessionId); // false: logged out meanwhile
    if (joined) loginAttempts.finish(request, taken, finished.return_to);
    redirect(res, 303, finished.return_to);
    report.reportFinished();
    if (joined && sessionCookieIsMissing(req, settings, res))
      logFailure(log, new PortalAuthError("proxy_not_trusted"));
  }

  function amongProcesses(report: LoginReport): RunOnceOptions {
    const onWait = () => {
      report.isDoneByOtherProcess = true;
    };
    return { encryption: router.attemptEncryption, waitMs: WAIT_FOR_OTHER_PROCESS_MS, onWait };
  }

  /**
   * A second browser has this login's state and cookie, from a cached answer of /login. Its code must not be used: whoever
   * knows the cached state can make such an address with a code of their own.
   */
  function refuseReuse({ req, res }: RequestContext, { return_to }: LoginAttempt, report: LoginReport): void {
    report.isDoneByOtherRequest = false;
    report.isDoneByOtherProcess = false;
    if (!readSession(req, settings)) throw new PortalAuthError("login_state_reused");
    redirect(res, 303, return_to);
  }

  async function finish(
    { req, mount }: RequestContext,
    provider: Provider,
    { code, members }: GoodResponse,
    expected: Expected,
    { return_to: requested, form: id, elsewhere = false }: LoginAttempt,
    report: LoginReport,
  ): Promise<FinishedLogin> {
    checkCookieCanBeSet(req, settings);
    report.startStep("exchange");
    const requestAgeMs = startTimer(settings.clock);
    const verified = await exchange(provider, code, expected, () => report.startStep("checks")); // the code for verified tokens
    try {
      report.startStep("hooks");
      const { return_to, ...accepted } = await runHooks(settings.hooks, verified, req, {
        requested,
        home: getStartPage(settings, mount),
        members,
      });
      // of who did not sign out of this browser
      const onReplaced = ({ tokens }: PortalSession) => void revokeTokens(router, [tokens.refresh_token]);
      const form = id === undefined ? undefined : { id, back: return_to };
      const begun = {
        ...accepted,
        requestAgeMs,
        rules: settings,
        keep: settings.keepSessionKeys,
        keepAll: elsewhere,
        form,
        onReplaced,
      };
      report.startStep("session"); // last, as it changes the session id: what came before must have held
      const sessionId = await beginSession(req, begun);
      return {
        sessionId,
        return_to: form ? getRouteUrl(settings, mount, String(settings.routes.form)) : return_to,
      };
    } catch (error) {
      void revokeTokens(router, [verified.tokens.refresh_token]); // nobody will have them
      throw error;
    }
  }
}

/** The requests of a double click get the same error object, by which the second finds it in the log. */
function throwAsPortalAuthError(thrown: unknown): never {
  throw toPortalAuthError(thrown);
}

/** Logs a failure that both requests of a double click report. */
function logOnce({ log }: RouterContext, error: unknown): void {
  if (error instanceof PortalAuthError)
    logSharedFailure(log, error, isWorthLogging(error) ? logUnconditionally : logFailure);
}

/**
 * Failures that are ordinary elsewhere and get a line in the log here: a provider that ignores how strong the login had to
 * be, and one that gives its reason for a refusal. Without that line nobody would ever read the reason.
 */
const isWorthLogging = (error: PortalAuthError): boolean =>
  error.code === "insufficient_user_authentication" ||
  (error.code === "login_denied" && error.providerDescription !== undefined);
