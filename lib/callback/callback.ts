import { answerError } from "../answer/answer-error.js";
import { logAnyway, logFailure, logShared } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { revokeQuietly } from "../context/revoke-tokens.js";
import { type Parts, type Visit, withLogin } from "../context/router-context.js";
import { startTimer } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { asPortalAuthError } from "../errors/to-portal-auth-error.js";
import { linkTo, startPage } from "../http/external-url.js";
import type { Transaction } from "../login/attempt.js";
import type { Portal } from "../provider/discovery.js";
import { checkResponse, type Expected, exchange, type GoodResponse } from "../provider/exchange-code.js";
import { beginSession } from "../session/begin-session.js";
import type { PortalSession } from "../session/login-record.js";
import { joinSession, readSession } from "../session/session.js";
import { checkCookieCanBeSet, sessionCookieIsMissing } from "../session/session-cookie.js";
import { type AttemptOptions, onceAmongProcesses } from "./attempt-claims.js";
import { withProviderError } from "./authorization-response.js";
import { isLateCallback, leadOn } from "./late-callback.js";
import { createOnce } from "./once.js";
import { comesAgain, responseOf } from "./posted.js";
import { canTurnBack, turnBack } from "./resume-as-visitor.js";
import { meetHooks } from "./run-hooks.js";
import { LoginWatch } from "./watch.js";

interface Finished {
  readonly sessionId: string;
  readonly return_to: string;
}

/** How long a callback waits for another process that has the code of the same login. */
const WAIT_FOR_OTHER_PROCESS_MS = 30_000;

/** GET /callback */
export function callbackStep(parts: Parts) {
  const { settings, transactions, getPortal, log } = parts;
  const lifeMs = settings.loginTimeout * 1000;
  const once = createOnce<Finished | "another code" | "too late">(lifeMs);

  return async function callback(visit: Visit): Promise<void> {
    const watch = new LoginWatch(log.tell, settings.clock);
    try {
      await answer(visit, watch);
    } catch (thrown) {
      const error = withProviderError(thrown, watch.response);
      watch.failed(error);
      if (!watch.attempted && isLateCallback(parts, visit, error)) return leadOn(parts, visit);
      if (!watch.isJoined) logOnce(parts, error);
      if (watch.isSilent && canTurnBack(parts, visit)) return turnBack(parts, visit, watch, error);
      if (!watch.attempted) throw error;
      const { return_to, acr, max_age } = watch.attempted.transaction;
      const strength = { ...(acr && { acr }), ...(max_age !== undefined && { maxAge: max_age }) };
      return answerError(visit.req, visit.res, error, withLogin(parts, visit.mount, return_to, strength));
    }
  };

  async function answer(visit: Visit, watch: LoginWatch): Promise<void> {
    const { req, res } = visit;
    const response = responseOf(parts, req); // one of each parameter, or refused
    watch.response = response;
    watch.isSilent = transactions.isSilent(response.state);
    if (await comesAgain(parts, visit, response)) return;
    watch.begin("discovery");
    const portal = await getPortal(); // before anything is spent: a portal that is down costs nobody their login
    watch.begin("state");
    const taken = transactions.take(visit, response.state, startPage(settings, visit.mount)); // begun in this browser, not long ago
    if (taken.kind === "spent") return redirect(res, 303, taken.return_to);
    const { id, transaction, expected } = taken;
    watch.attempted = { id, transaction };
    // somebody has signed in meanwhile, in another tab: whom the portal knows does not take their place unasked
    if (watch.isSilent && readSession(req, settings)) return redirect(res, 303, transaction.return_to);
    const good = checkResponse(portal, response); // iss, error
    watch.isJoined = true; // unless the work falls to this request
    const finished = await once(id, good.code, () => {
      watch.isJoined = false;
      const callback = { id, code: good.code, lifeMs };
      return onceAmongProcesses(req, settings, callback, amongProcesses(watch), () =>
        finish(visit, portal, good, expected, transaction, watch).catch(throwAsOurs),
      );
    });
    if (finished === "too late") return redirect(res, 303, transaction.return_to); // as for one that is spent
    if (finished === "another code") return refuseReuse(visit, transaction, watch);
    const joined = await joinSession(req, settings, finished.sessionId); // false: logged out meanwhile
    if (joined) transactions.finish(visit, taken, finished.return_to);
    redirect(res, 303, finished.return_to);
    watch.finished();
    if (joined && sessionCookieIsMissing(req, settings, res))
      logFailure(log, new PortalAuthError("proxy_not_trusted"));
  }

  function amongProcesses(watch: LoginWatch): AttemptOptions {
    const onWait = () => {
      watch.isReportedElsewhere = true;
    };
    return { sealer: parts.attempts, waitMs: WAIT_FOR_OTHER_PROCESS_MS, onWait };
  }

  /**
   * A second browser has this login's state and cookie, from a cached answer of /login. Its code must not be used: whoever
   * knows the cached state can make such an address with a code of their own.
   */
  function refuseReuse({ req, res }: Visit, { return_to }: Transaction, watch: LoginWatch): void {
    watch.isJoined = false;
    watch.isReportedElsewhere = false;
    if (!readSession(req, settings)) throw new PortalAuthError("login_state_reused");
    redirect(res, 303, return_to);
  }

  async function finish(
    { req, mount }: Visit,
    portal: Portal,
    { code, members }: GoodResponse,
    expected: Expected,
    { return_to: wish, form: id, elsewhere = false }: Transaction,
    watch: LoginWatch,
  ): Promise<Finished> {
    checkCookieCanBeSet(req, settings);
    watch.begin("exchange");
    const requestAgeMs = startTimer(settings.clock);
    const verified = await exchange(portal, code, expected, () => watch.begin("checks")); // the code for verified tokens
    try {
      watch.begin("hooks");
      const { return_to, ...person } = await meetHooks(settings.hooks, verified, req, {
        wish,
        home: startPage(settings, mount),
        members,
      });
      // of who did not sign out of this browser
      const onReplaced = ({ tokens }: PortalSession) => void revokeQuietly(parts, [tokens.refresh_token]);
      const form = id === undefined ? undefined : { id, back: return_to };
      const begun = {
        ...person,
        requestAgeMs,
        rules: settings,
        keep: settings.keepSessionKeys,
        keepAll: elsewhere,
        form,
        onReplaced,
      };
      watch.begin("session"); // last, as it changes the session id: what came before must have held
      const sessionId = await beginSession(req, begun);
      return {
        sessionId,
        return_to: form ? linkTo(settings, mount, String(settings.routes.form)) : return_to,
      };
    } catch (error) {
      void revokeQuietly(parts, [verified.tokens.refresh_token]); // nobody will have them
      throw error;
    }
  }
}

/** The requests of a double click get the same error object, by which the second finds it in the log. */
function throwAsOurs(thrown: unknown): never {
  throw asPortalAuthError(thrown);
}

/** Logs a failure that both requests of a double click report. */
function logOnce({ log }: Parts, error: unknown): void {
  if (error instanceof PortalAuthError) logShared(log, error, isNews(error) ? logAnyway : logFailure);
}

/**
 * Failures that are ordinary elsewhere and get a line in the log here: a provider that ignores how strong the login had to
 * be, and one that gives its reason for a refusal. Without that line nobody would ever read the reason.
 */
const isNews = (error: PortalAuthError): boolean =>
  error.code === "insufficient_user_authentication" ||
  (error.code === "login_denied" && error.providerDescription !== undefined);
