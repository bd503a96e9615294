import { executionAsyncId } from "node:async_hooks";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import { keepRefreshTokenAlive } from "./access/keep-refresh-token-alive.js";
import { createLog, createSafeWrite, type Log, logFailure } from "./answer/log.js";
import { isExpressRequest, rejectNonExpressRequest } from "./answer/non-express-request.js";
import { createPageRenderer } from "./answer/page-renderer.js";
import { sendErrorResponse } from "./answer/send-error-response.js";
import { offerLogin, offerRetry, type RequestContext, type RouterContext } from "./context/router-context.js";
import { PortalAuthError } from "./errors/portal-auth-error.js";
import { toPortalAuthError } from "./errors/to-portal-auth-error.js";
import { createEventEmitter } from "./events/event-emitter.js";
import { assumeHttps } from "./http/request-scheme.js";
import { callbackPaths, findPossibleCallbackPaths } from "./http/test-login.js";
import { createSilentLogin } from "./login/silent-login.js";
import { createHostCheck } from "./login-attempt/host-check.js";
import { LoginAttempts } from "./login-attempt/login-attempts.js";
import { finishLateLogout } from "./logout/after-logout.js";
import { warnIfCreatedPerRequest, warnIfMountedWrongly } from "./mount-warnings.js";
import { createDiscovery } from "./provider/discovery.js";
import { RefreshCircuitBreaker } from "./refresh/refresh-circuit-breaker.js";
import { createRefreshSingleFlight } from "./refresh/refresh-single-flight.js";
import { attachPortal, RequestPortal } from "./request-portal.js";
import { createRoutes } from "./routes.js";
import { getLoginState } from "./session/attached-login.js";
import { createRecordCodec } from "./session/record-codec.js";
import { createSessionMount } from "./session/session-mount.js";
import { type ExplainedOption, explainResolved } from "./settings/explain.js";
import type { PortalAuthOptions } from "./settings/portal-auth-options.js";
import { type ResolvedOptions, requireSettings, resolveOptions } from "./settings/resolve-options.js";
import type { Settings } from "./settings/settings.js";
import { findVariableTypos } from "./settings/variable-typos.js";
import { openStore } from "./store/open-store.js";
import { wrapStoreFailure } from "./store/wrap-store-failure.js";
import { assertFactoryCall } from "./util/assert-factory-call.js";
import { createEncryption } from "./util/encryption.js";
import { keepInDictionary } from "./util/keep-in-dictionary.js";

/** The middleware that portalAuth() returns. */
export interface PortalAuth extends RequestHandler {
  /**
   * Waits for running refreshes, then closes the connection to SESSION_STORE_URL. Call it at shutdown, after
   * the server has closed. The provider may have replaced a refresh token already: without the wait, the new
   * one is lost.
   */
  close(): Promise<void>;
  /** Returns the effective configuration: each option's value and its source. Secret values are masked. */
  explain(): ExplainedOption[];
}

/**
 * Creates the middleware. It attaches `req.portal` to every request and handles /login, /callback and
 * /logout. Omitted options are read from environment variables.
 *
 * @throws PortalAuthError `options_invalid` at start-up, with all problems in one message
 */
export function portalAuth(options?: PortalAuthOptions): PortalAuth {
  assertFactoryCall(options, "portalAuth");
  const router = createRouterContext(resolveOptions(options));
  for (const path of findPossibleCallbackPaths(router.settings)) callbackPaths.add(path);
  const { mountSession, getConnectionError, close } = createSessions(router);
  const handleRequest = createRequestHandler(router);
  const createdInAsyncId = executionAsyncId();
  let hasHandledRequest = false;
  return Object.assign(portalAuthRouter, { close, explain: () => [...router.explainedOptions] });

  function portalAuthRouter(req: Request, res: Response, next: NextFunction): void {
    if (!isExpressRequest(req, res)) {
      rejectNonExpressRequest(router.log, res, next);
      return;
    }
    if (!hasHandledRequest) {
      hasHandledRequest = true;
      warnIfMountedWrongly(router, req);
      if (createdInAsyncId !== 0 && createdInAsyncId === executionAsyncId())
        warnIfCreatedPerRequest(router, identifyRouter(router.settings));
    }
    if (router.settings.tlsTerminated) assumeHttps(req);
    keepInDictionary(req, "res");
    keepInDictionary(res, "req");
    mountSession(req, res, (error, loginState = getLoginState(req, router.settings)) => {
      attachPortal(req, router.settings, new RequestPortal(router, req, res, loginState));
      const request = { req, res, mount: req.baseUrl };
      if (error) sendSessionFailure(router, request, error, getConnectionError()).catch(next);
      else handleRequest(request, next);
    });
  }
}

/** Returns a function that handles a request to one of our routes, and passes all others to `next`. */
function createRequestHandler(router: RouterContext) {
  const findStep = createRoutes(router);
  const loginSilently = router.settings.silentLogin ? createSilentLogin(router) : undefined;
  return (request: RequestContext, next: NextFunction): void => {
    const step = findStep(request.req);
    if (step) {
      step(request).catch((thrown) => sendFailure(router, request, thrown, next));
      return;
    }
    keepRefreshTokenAlive(router, request.req);
    const silentLogin = loginSilently?.(request);
    if (silentLogin) silentLogin.then((isAnswered) => isAnswered || next(), next);
    else next();
  };
}

/**
 * Returns a key for the router. Routers may share a secret, but none can decrypt what another one encrypted.
 */
const identifyRouter = ({ issuer, clientId, redirectUri }: Settings): string =>
  JSON.stringify([issuer, clientId, redirectUri]);

function createRouterContext(resolved: ResolvedOptions): RouterContext {
  const settings = requireSettings(resolved);
  const log = createRouterLog(settings);
  for (const warning of findVariableTypos()) log.warn(warning);
  return {
    settings,
    explainedOptions: explainResolved(resolved),
    getProvider: createDiscovery(settings),
    loginAttempts: new LoginAttempts({
      name: settings.name,
      secrets: settings.secrets,
      https: settings.https,
      belongsTo: identifyRouter(settings),
      clock: settings.clock,
      lifetimeMs: settings.loginTimeout * 1000,
    }),
    responseEncryption: createEncryption(settings.secrets, `posted ${identifyRouter(settings)}`),
    attemptEncryption: createEncryption(settings.secrets, `attempt ${identifyRouter(settings)}`),
    confirmationEncryption: createEncryption(settings.secrets, `logout ${identifyRouter(settings)}`),
    formEncryption: createEncryption(settings.secrets, `form ${identifyRouter(settings)}`),
    log,
    pages: createPageRenderer({ languages: settings.languages, render: settings.renderPage, log }),
    refreshCircuitBreaker: new RefreshCircuitBreaker(settings.clock),
    checkHost: createHostCheck(settings.redirectUri, log),
    refreshOnce: createRefreshSingleFlight(log.emit),
  };
}

function createRouterLog({ name, issuer, clientId: client_id, logger }: Settings): Log {
  const write = logger && createSafeWrite(logger);
  const writeDebug =
    write &&
    logger.debug &&
    ((event: object, name: string) => write("debug", { ...event, event: name }, name));
  return createLog(write, createEventEmitter({ instance: name ?? "default", issuer, client_id }, writeDebug));
}

function createSessions(router: RouterContext) {
  const { settings, log, refreshOnce } = router;
  const warn = (line: string) => log.warn(line);
  const warnOfFailure = (error: unknown) => logFailure(log, toPortalAuthError(error));
  const opened = settings.store === undefined ? undefined : openStore(settings.store, { warn });
  const mountSession = createSessionMount({
    policy: settings,
    secrets: settings.secrets,
    isHttps: settings.https,
    isTlsTerminated: settings.tlsTerminated,
    sameSite: settings.sameSite,
    idleSeconds: settings.sessionIdle,
    portalAuthIdentity: identifyRouter(settings),
    codec: createRecordCodec(settings.tokenEncryptionKeys, warnOfFailure, settings.clock),
    hasProviderSessionLists:
      settings.routes.backchannelLogout !== false || settings.routes.frontchannelLogout !== false,
    keepSessionKeys: settings.keepSessionKeys,
    entries: opened?.store,
    opened: opened?.opened,
    warn,
    warnAboutFailure: warnOfFailure,
    onFoundEnded: (req, login, reason) => finishLateLogout(router, req, login, reason),
  });
  return {
    mountSession,
    getConnectionError: () => opened?.getConnectionError(),
    async close() {
      await refreshOnce.waitForAll();
      await opened?.close();
    },
  };
}

/** Responds to a failure of express-session: it could not load the session, or not save it at the end. */
function sendSessionFailure(
  router: RouterContext,
  request: RequestContext,
  cause: unknown,
  connectionError: string | undefined,
): Promise<void> {
  const { req, res } = request;
  const doing = res.headersSent ? "save" : "read";
  const sentence = "This site cannot be used right now. Please try again in a moment.";
  const detail = `${doing}; the store's connection: ${connectionError}`;
  const error =
    connectionError === undefined
      ? wrapStoreFailure(doing, cause, sentence)
      : new PortalAuthError("session_store_failed", { detail, sentence, cause });
  return sendErrorResponse(req, res, error, offerRetry(router, request));
}

function sendFailure(
  router: RouterContext,
  request: RequestContext,
  thrown: unknown,
  next: NextFunction,
): void {
  const { req, res, mount } = request;
  sendErrorResponse(req, res, thrown, offerLogin(router, mount)).catch(next);
}
