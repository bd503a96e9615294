import { logFailure, logSharedFailure, logUnconditionally } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { offerLogin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import type { LoginAttempt } from "../login-attempt/login-attempt.js";
import type { TakenAttempt } from "../login-attempt/login-attempts.js";
import type { Provider } from "../provider/discovery.js";
import { type CodeResponse, checkAuthorizationResponse } from "../provider/exchange-code.js";
import { adoptSession, readSession } from "../session/request-session.js";
import { isSessionCookieMissing } from "../session/session-cookie.js";
import { omitUndefined } from "../util/omit-undefined.js";
import { withProviderError } from "./authorization-response.js";
import { type FinishedLogin, finishLogin } from "./finish-login.js";
import { readAuthorizationResponse, reloadForStrictCookies } from "./form-post.js";
import { isLateCallback, redirectLateCallback } from "./late-callback.js";
import { LoginReport } from "./login-report.js";
import { createLoginSingleFlight, type LoginSingleFlight } from "./login-single-flight.js";
import { canResumeAsVisitor, resumeAsVisitor } from "./resume-as-visitor.js";
import { type NotShared, type RunOnceOptions, runOnceAcrossProcesses } from "./run-once-across-processes.js";

/** How long a callback waits for another process that has the code of the same login. */
const WAIT_FOR_OTHER_PROCESS_MS = 30_000;

/**
 * Creates the handler of GET /callback. It finishes the login that the authorization response belongs to, and
 * redirects to the page that the user requested, or that a hook chose. If the attempt was
 * used before, it redirects to the page of that login, and the session stays unchanged.
 *
 * A failure of an attempt gets an error response. The handler throws a failure that belongs to no attempt:
 * see respondToFailure().
 */
export function createCallbackStep(router: RouterContext) {
  const singleFlight = createLoginSingleFlight<FinishedLogin | NotShared>(getLoginLifeMs(router));
  return async function callback(request: RequestContext): Promise<void> {
    const report = new LoginReport(router.log.emit, router.settings.clock);
    try {
      await new Callback(router, request, report, singleFlight).respond();
    } catch (error) {
      await respondToFailure(router, request, report, withProviderError(error, report.response));
    }
  };
}

const getLoginLifeMs = ({ settings }: RouterContext): number => settings.loginTimeout * 1000;

/** One request of the callback. */
class Callback {
  readonly #router: RouterContext;
  readonly #request: RequestContext;
  readonly #report: LoginReport;
  readonly #singleFlight: LoginSingleFlight<FinishedLogin | NotShared>;

  constructor(
    router: RouterContext,
    request: RequestContext,
    report: LoginReport,
    singleFlight: LoginSingleFlight<FinishedLogin | NotShared>,
  ) {
    this.#router = router;
    this.#request = request;
    this.#report = report;
    this.#singleFlight = singleFlight;
  }

  /**
   * Finishes the login and responds. Throws if the login fails.
   *
   * The order of these steps matters. Discovery comes first, because an unreachable provider must not use up
   * the attempt. The attempt is taken before `iss` and `error` are checked, because only the state shows that
   * the response belongs to a login of this browser.
   */
  async respond(): Promise<void> {
    const { settings, loginAttempts, getProvider } = this.#router;
    const { req, res, mount } = this.#request;
    const report = this.#report;
    const response = readAuthorizationResponse(this.#router, req);
    report.response = response;
    report.isSilent = loginAttempts.isSilent(response.state);
    if (await reloadForStrictCookies(this.#router, this.#request, response)) return;
    report.startStep("discovery");
    const provider = await getProvider();
    report.startStep("state");
    const taken = loginAttempts.take(this.#request, response.state, getStartPage(settings, mount));
    if (taken.kind === "used") return redirect(res, 303, taken.return_to);
    const { id, loginAttempt } = taken;
    report.attempted = { id, loginAttempt };
    // A user has signed in meanwhile, in another tab. A silent login must not replace that session.
    if (report.isSilent && readSession(req, settings)) return redirect(res, 303, loginAttempt.return_to);
    await this.#finish(
      taken,
      await this.#runOnce(provider, checkAuthorizationResponse(provider, response), taken),
    );
  }

  /** Finishes the login once, even if several requests or processes get the same callback. */
  async #runOnce(
    provider: Provider,
    response: CodeResponse,
    taken: TakenAttempt,
  ): Promise<FinishedLogin | NotShared> {
    const report = this.#report;
    const { req } = this.#request;
    const { settings, attemptEncryption } = this.#router;
    const options: RunOnceOptions = {
      encryption: attemptEncryption,
      waitMs: WAIT_FOR_OTHER_PROCESS_MS,
      onWait: () => {
        report.isDoneByOtherProcess = true;
      },
    };
    const work = () =>
      finishLogin(this.#router, this.#request, report, provider, response, taken).catch(
        throwAsPortalAuthError,
      );
    let isDoneHere = false;
    const outcome = this.#singleFlight(taken.id, response.code, () => {
      isDoneHere = true;
      const callback = { id: taken.id, code: response.code, lifeMs: getLoginLifeMs(this.#router) };
      return runOnceAcrossProcesses(req, settings, callback, options, work);
    });
    report.isDoneByOtherRequest = !isDoneHere; // the single flight calls this function at once or never
    return outcome;
  }

  /** Responds with the session of the finished login, which another request may have finished. */
  async #finish(taken: TakenAttempt, finished: FinishedLogin | NotShared): Promise<void> {
    const { settings, loginAttempts, log } = this.#router;
    const { req, res } = this.#request;
    if (finished === "too late") return redirect(res, 303, taken.loginAttempt.return_to);
    if (finished === "another code") return this.#rejectReusedState(taken.loginAttempt);
    // The user may have signed out since another request finished the login. Then that session no longer
    // exists.
    const hasJoined = await adoptSession(req, settings, finished.sessionId);
    if (hasJoined) loginAttempts.finish(this.#request, taken, finished.return_to);
    redirect(res, 303, finished.return_to);
    this.#report.reportFinished();
    if (hasJoined && isSessionCookieMissing(req, settings, res))
      logFailure(log, new PortalAuthError("proxy_not_trusted"));
  }

  /**
   * Rejects a second code for the same state. If /login was cached, a second browser can have the same state
   * and cookie. The second code must not be used, because an attacker who knows the cached state can create
   * such a URL with the attacker's own code. A signed-in user is redirected, as after a reload.
   *
   * @throws PortalAuthError `login_state_reused`
   */
  #rejectReusedState({ return_to }: LoginAttempt): void {
    this.#report.isDoneByOtherRequest = false;
    this.#report.isDoneByOtherProcess = false;
    const session = readSession(this.#request.req, this.#router.settings);
    if (!session) throw new PortalAuthError("login_state_reused");
    redirect(this.#request.res, 303, return_to);
  }
}

/**
 * Reports and logs the failure of a callback, and responds to it. The first of these cases applies:
 *
 * 1. The callback is late: the browser is redirected to the page of the option `lateCallbackPath`.
 * 2. A silent login has failed: the browser is redirected to the requested page, without a session.
 * 3. The failure belongs to no attempt: the error is rethrown.
 * 4. In all other cases, the response is an error that offers to sign in again.
 *
 * In the first case nothing is logged.
 */
async function respondToFailure(
  router: RouterContext,
  request: RequestContext,
  report: LoginReport,
  error: unknown,
): Promise<void> {
  report.reportFailed(error);
  if (!report.attempted && isLateCallback(router, request, error))
    return redirectLateCallback(router, request);
  if (!report.isDoneByOtherRequest) logOnce(router, error);
  if (report.isSilent && canResumeAsVisitor(router, request))
    return resumeAsVisitor(router, request, report, error);
  if (!report.attempted) throw error;
  const { return_to, acr, max_age } = report.attempted.loginAttempt;
  const options = offerLogin(router, request.mount, return_to, omitUndefined({ acr, maxAge: max_age }));
  return sendErrorResponse(request.req, request.res, error, options);
}

/**
 * Both requests of a double click must get the same error object. The log id is stored with the error object,
 * so the second request can find it.
 */
function throwAsPortalAuthError(thrown: unknown): never {
  throw toPortalAuthError(thrown);
}

/** Logs a failure that both requests of a double click report. */
function logOnce({ log }: RouterContext, error: unknown): void {
  if (error instanceof PortalAuthError)
    logSharedFailure(log, error, isWorthLogging(error) ? logUnconditionally : logFailure);
}

/**
 * Returns whether a failure gets a line in the log here, even though its code is usually not logged. The
 * provider has ignored the required strength, or it has sent its reason for the error. No response shows that
 * reason.
 */
const isWorthLogging = (error: PortalAuthError): boolean =>
  error.code === "insufficient_user_authentication" ||
  (error.code === "login_denied" && error.providerDescription !== undefined);
