import { executionAsyncId } from "node:async_hooks";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import { keepRefreshTokenAlive } from "./access/keep-alive.js";
import { createOutage } from "./access/refresh-circuit-breaker.js";
import { answerError } from "./answer/answer-error.js";
import { carefully, createLog, type Log, logFailure } from "./answer/log.js";
import { isOfExpress, refuseForeignRequest } from "./answer/non-express-request.js";
import { createPages } from "./answer/page-renderer.js";
import { type Parts, type Visit, withLogin, withRetry } from "./context/router-context.js";
import { createTell } from "./contract/events.js";
import { callbackPaths, possibleCallbackPaths } from "./contract/test-login.js";
import { PortalAuthError } from "./errors/portal-auth-error.js";
import { asPortalAuthError } from "./errors/to-portal-auth-error.js";
import { assumeHttps } from "./http/request-scheme.js";
import { createHostCheck } from "./login/host-check.js";
import { Transactions } from "./login/login-attempts.js";
import { createSilentLogin } from "./login/silent.js";
import { afterFoundEnded } from "./logout/after-logout.js";
import { lookAtMaking, lookAtMount } from "./mount-warnings.js";
import { createDiscovery } from "./provider/discovery.js";
import { createRefreshOnce } from "./refresh/refresh-once.js";
import { attachPortal, RequestPortal } from "./request-portal.js";
import { createRoutes } from "./routes.js";
import { loginOf } from "./session/attached-login.js";
import { createRecordCodec } from "./session/record-codec.js";
import { createSessionMount } from "./session/session-mount.js";
import { type ExplainedOption, explainTried } from "./settings/explain.js";
import type { PortalAuthOptions } from "./settings/options.js";
import { type Settings, settledOf, type Tried, tryOptions, warnings } from "./settings/settings.js";
import { openStore } from "./store/open-store.js";
import { storeFailed } from "./store/store-failed.js";
import { refuseRequest } from "./util/assert-factory-call.js";
import { keepInDictionary } from "./util/keep-in-dictionary.js";
import { createSealer } from "./util/seal.js";

/** The router. */
export interface PortalAuth extends RequestHandler {
  /**
   * For an application that shuts down, after its server has closed. Waits for the refreshes that are under way, as the
   * portal may have ended the old refresh tokens already and the new ones would be lost; then closes the connection that
   * SESSION_STORE_URL has opened.
   */
  close(): Promise<void>;
  /** The effective configuration: each option's value, masked where it is secret, and where it came from. */
  explain(): ExplainedOption[];
}

/**
 * The router: attaches `req.portal` to every request, and answers /login, /callback and /logout. Options that are left
 * out come from the environment.
 *
 * @throws PortalAuthError `options_invalid` when the app starts: all problems at once
 */
export function portalAuth(options?: PortalAuthOptions): PortalAuth {
  refuseRequest(options, "portalAuth");
  const parts = createParts(tryOptions(options));
  for (const path of possibleCallbackPaths(parts.settings)) callbackPaths.add(path);
  const stepFor = createRoutes(parts);
  const loginSilently = parts.settings.silentLogin ? createSilentLogin(parts) : undefined;
  const { mountSession, storeTrouble, close } = createSessions(parts);
  const madeIn = executionAsyncId();
  let isSeen = false;
  return Object.assign(portalAuthRouter, { close, explain: () => [...parts.explained] });

  function portalAuthRouter(req: Request, res: Response, next: NextFunction): void {
    if (!isOfExpress(req, res)) {
      refuseForeignRequest(parts.log, res, next);
      return;
    }
    if (!isSeen) {
      isSeen = true;
      lookAtMount(parts, req);
      if (madeIn !== 0 && madeIn === executionAsyncId()) lookAtMaking(parts, belongsTo(parts.settings));
    }
    if (parts.settings.tlsTerminated) assumeHttps(req);
    keepInDictionary(req, "res");
    keepInDictionary(res, "req");
    mountSession(req, res, (error, login = loginOf(req, parts.settings)) => {
      attachPortal(req, parts.settings, new RequestPortal(parts, req, res, login));
      if (error)
        return void failToLoad(parts, { req, res, mount: req.baseUrl }, error, storeTrouble()).catch(next);
      const step = stepFor(req);
      if (!step) {
        keepRefreshTokenAlive(parts, req);
        const trying = loginSilently?.({ req, res, mount: req.baseUrl });
        return trying ? void trying.then((isAnswered) => isAnswered || next(), next) : next();
      }
      step({ req, res, mount: req.baseUrl }).catch((thrown) => fail(parts, req, res, thrown, next));
    });
  }
}

/** The same secret may serve several routers: what one of them sealed is nothing to another. */
const belongsTo = ({ issuer, clientId, redirectUri }: Settings): string =>
  JSON.stringify([issuer, clientId, redirectUri]);

function createParts(tried: Tried): Parts {
  const settings = settledOf(tried);
  const log = logOf(settings);
  for (const warning of warnings()) log.warn(warning);
  return {
    settings,
    explained: explainTried(tried),
    getPortal: createDiscovery(settings),
    transactions: new Transactions({
      name: settings.name,
      secrets: settings.secrets,
      https: settings.https,
      belongsTo: belongsTo(settings),
      clock: settings.clock,
      lifetimeMs: settings.loginTimeout * 1000,
    }),
    posted: createSealer(settings.secrets, `posted ${belongsTo(settings)}`),
    attempts: createSealer(settings.secrets, `attempt ${belongsTo(settings)}`),
    confirmations: createSealer(settings.secrets, `logout ${belongsTo(settings)}`),
    forms: createSealer(settings.secrets, `form ${belongsTo(settings)}`),
    log,
    pages: createPages({ languages: settings.languages, render: settings.renderPage, log }),
    outage: createOutage(settings.clock),
    checkHost: createHostCheck(settings.redirectUri, log),
    refreshOnce: createRefreshOnce(log.tell),
  };
}

function logOf({ name, issuer, clientId: client_id, logger }: Settings): Log {
  const write = logger && carefully(logger);
  const also =
    write &&
    logger.debug &&
    ((event: object, name: string) => write("debug", { ...event, event: name }, name));
  return createLog(write, createTell({ instance: name ?? "default", issuer, client_id }, also));
}

function createSessions(parts: Parts) {
  const { settings, log, refreshOnce } = parts;
  const warn = (line: string) => log.warn(line);
  const warnOfFailure = (error: unknown) => logFailure(log, asPortalAuthError(error));
  const opened = settings.store === undefined ? undefined : openStore(settings.store, { warn });
  const mountSession = createSessionMount({
    rules: settings,
    secrets: settings.secrets,
    https: settings.https,
    tlsTerminated: settings.tlsTerminated,
    sameSite: settings.sameSite,
    idleSeconds: settings.sessionIdle,
    belongsTo: belongsTo(settings),
    codec: createRecordCodec(settings.tokenEncryptionKeys, warnOfFailure, settings.clock),
    findsBySid: settings.routes.backchannelLogout !== false || settings.routes.frontchannelLogout !== false,
    keepSessionKeys: settings.keepSessionKeys,
    entries: opened?.store,
    opened: opened?.opened,
    warn,
    warnOfFailure,
    onFoundEnded: (req, login, reason) => afterFoundEnded(parts, req, login, reason),
  });
  return {
    mountSession,
    storeTrouble: () => opened?.trouble(),
    async close() {
      await refreshOnce.settled();
      await opened?.close();
    },
  };
}

/** What express-session ends with: before the request went on, or while its answer ended. */
function failToLoad(parts: Parts, visit: Visit, cause: unknown, trouble: string | undefined): Promise<void> {
  const { req, res } = visit;
  const doing = res.headersSent ? "save" : "read";
  const sentence = "This site cannot be used right now. Please try again in a moment.";
  const detail = `${doing}; the store's connection: ${trouble}`;
  const error =
    trouble === undefined
      ? storeFailed(doing, cause, sentence)
      : new PortalAuthError("session_store_failed", { detail, sentence, cause });
  return answerError(req, res, error, withRetry(parts, visit));
}

function fail(parts: Parts, req: Request, res: Response, thrown: unknown, next: NextFunction): void {
  answerError(req, res, thrown, withLogin(parts, req.baseUrl)).catch(next);
}
