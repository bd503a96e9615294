import { executionAsyncId } from "node:async_hooks";
import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { Store } from "express-session";
import { createOutage } from "./access/outage.js";
import { answerError } from "./answer/answer-error.js";
import { isPrefetch } from "./answer/client.js";
import { ourHeaders } from "./answer/headers.js";
import { carefully, createLog, type Log, logFailure } from "./answer/log.js";
import { createPages } from "./answer/pages.js";
import { callbackStep } from "./callback/callback.js";
import { postedStep } from "./callback/posted.js";
import { useTicket } from "./callback/ticket.js";
import { PortalAuthError } from "./errors.js";
import { createTell } from "./events.js";
import { type ExplainedOption, explainTried } from "./explain.js";
import { formStep, postedFormStep } from "./form/form.js";
import { loginStep } from "./login/login.js";
import { knowRoutes } from "./login/own-routes.js";
import { createSilentLogin } from "./login/silent.js";
import { createTransactions } from "./login/transaction.js";
import { callbackPaths, tickets } from "./login-ticket.js";
import { backChannelStep } from "./logout/back-channel.js";
import { frontChannelStep } from "./logout/front-channel.js";
import { logoutStep } from "./logout/logout.js";
import { lookAtMaking, lookAtMount } from "./look-at-mount.js";
import type { PortalAuthOptions } from "./options.js";
import { refuseRequest } from "./parentheses.js";
import { answersOf, laterAnswersOf, type Parts, type Visit } from "./parts.js";
import { createDiscovery } from "./portal/discover.js";
import { attachPortal, RequestPortal } from "./request-portal.js";
import { createSessionMount } from "./session/own-session.js";
import { createRefreshOnce } from "./session/refresh-once.js";
import { createSealer } from "./session/seal.js";
import { passUnnoticed } from "./session/session.js";
import { openStore } from "./session/stores/open-store.js";
import { createVault } from "./session/vault.js";
import { type Settings, settledOf, type Tried, tryOptions, warnings } from "./settings.js";
import { statusStep } from "./status/status.js";
import { withoutSlash } from "./without-slash.js";

type Step = (visit: Visit) => Promise<void>;

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
  knowRoutes(parts.settings.routes);
  callbackPaths.add(new URL(parts.settings.redirectUri).pathname);
  const routes = createRoutes(parts);
  const loginSilently = parts.settings.silentLogin ? createSilentLogin(parts) : undefined;
  const { mountSession, storeTrouble, close } = createSessions(parts);
  const madeIn = executionAsyncId();
  let isSeen = false;
  return Object.assign(portalAuthRouter, { close, explain: () => [...parts.explained] });

  function portalAuthRouter(req: Request, res: Response, next: NextFunction): void {
    if (!isSeen) {
      isSeen = true;
      lookAtMount(parts, req);
      if (madeIn !== 0 && madeIn === executionAsyncId()) lookAtMaking(parts, belongsTo(parts.settings));
    }
    mountSession(req, res, (error?: unknown) => {
      attachPortal(req, parts.settings, new RequestPortal(parts, req, res));
      if (error) return void failToLoad(parts, { req, res, mount: req.baseUrl }, error, storeTrouble()).catch(next);
      const step = routes.get(withoutSlash(req.path))?.get(req.method);
      if (!step) {
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
    transactions: createTransactions({
      name: settings.name,
      secrets: settings.secrets,
      https: settings.https,
      belongsTo: belongsTo(settings),
    }),
    posted: createSealer(settings.secrets, `posted ${belongsTo(settings)}`),
    confirmations: createSealer(settings.secrets, `logout ${belongsTo(settings)}`),
    forms: createSealer(settings.secrets, `form ${belongsTo(settings)}`),
    log,
    pages: createPages({ languages: settings.languages, render: settings.renderPage, log }),
    outage: createOutage(settings.clock),
    refreshOnce: createRefreshOnce(log.tell),
  };
}

function logOf({ name, issuer, clientId: client_id, logger }: Settings): Log {
  const write = logger && carefully(logger);
  const also =
    write && logger.debug && ((event: object, name: string) => write("debug", { ...event, event: name }, name));
  return createLog(write, createTell({ instance: name ?? "default", issuer, client_id }, also));
}

function createSessions({ settings, log, refreshOnce }: Parts) {
  const warn = (line: string) => log.warn(line);
  const { issuer, clientId, secrets, https, clock, lock } = settings;
  const opened = typeof settings.store === "string" ? openStore(settings.store, warn) : undefined;
  const mountSession = createSessionMount({
    name: settings.name,
    secrets,
    https,
    sameSite: settings.sameSite,
    clock,
    lock,
    warn,
    belongsTo: belongsTo(settings),
    limits: { idleSeconds: settings.sessionIdle, absoluteSeconds: settings.sessionAbsolute },
    tenant: {
      issuer,
      clientId,
      keys: settings.tokenEncryptionKeys,
      absoluteSeconds: settings.sessionAbsolute,
      findsBySid: settings.routes.backchannelLogout !== false || settings.routes.frontchannelLogout !== false,
      vault: createVault(settings.tokenEncryptionKeys, (error) => logFailure(log, error)),
    },
    store: opened?.store ?? (settings.store as Store | undefined),
    opened: opened?.opened,
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

/** By path, and then by method: nearly every request is none of ours, which its path alone says. */
function createRoutes(parts: Parts): Map<string, Map<string, Step>> {
  const { login, callback, logout, session, form, backchannelLogout, frontchannelLogout } = parts.settings.routes;
  const [begin, finish, leave] = [loginStep(parts), callbackStep(parts), logoutStep(parts)];
  const table: [method: string, path: string | false, step: Step][] = [
    ["GET", login, unlessPrefetched(begin)],
    ["POST", parts.settings.thirdPartyLogin && login, begin],
    ["HEAD", login, nothing],
    ["GET", callback, unlessPrefetched(unlessTicket(parts, finish))],
    ["POST", callback, postedStep(parts)],
    ["HEAD", callback, nothing],
    ["GET", logout, unlessPrefetched(leave)],
    ["POST", logout, leave],
    ["HEAD", logout, nothing],
    ["POST", backchannelLogout, backChannelStep(parts)],
    ["GET", frontchannelLogout, unlessPrefetched(frontChannelStep(parts))],
    ["HEAD", frontchannelLogout, nothing],
    ["GET", form, unlessPrefetched(formStep(parts))],
    ["POST", form, postedFormStep(parts)],
    ["HEAD", form, nothing],
    ["GET", session, statusStep(parts)],
    ["HEAD", session, unnoticed(nothing)],
  ];
  const routes = new Map<string, Map<string, Step>>();
  for (const [method, path, step] of table) {
    if (path === false) continue;
    const steps = routes.get(withoutSlash(path)) ?? new Map<string, Step>();
    routes.set(withoutSlash(path), steps.set(method, step));
  }
  return routes;
}

/** Mail scanners and browsers that load ahead ask for what nobody may want: they spend nothing, and get nothing. */
async function nothing({ res }: Visit): Promise<void> {
  ourHeaders(res);
  res.statusCode = 204;
  res.end();
}

const unlessPrefetched =
  (step: Step): Step =>
  (visit) =>
    isPrefetch(visit.req) ? nothing(visit) : step(visit);

/** Whoever asks so is not there, as far as the life of a session goes. */
const unnoticed =
  (step: Step): Step =>
  (visit) => {
    passUnnoticed(visit.req);
    return step(visit);
  };

/** A test that runs in this process may bring a login along: see login-ticket.ts. */
const unlessTicket =
  (parts: Parts, step: Step): Step =>
  (visit) => {
    const ticket = tickets.get(visit.req);
    return ticket ? useTicket(parts, visit, ticket) : step(visit);
  };

/** What express-session ends with: before the request went on, or while its answer ended. */
function failToLoad(parts: Parts, { req, res }: Visit, cause: unknown, trouble: string | undefined): Promise<void> {
  const doing = res.headersSent ? "save" : "read";
  const detail = trouble === undefined ? doing : `${doing}; the store's connection: ${trouble}`;
  const sentence = "This site cannot be used right now. Please try again in a moment.";
  const error = new PortalAuthError("session_store_failed", { detail, sentence, cause });
  return answerError(req, res, error, laterAnswersOf(parts, req));
}

function fail(parts: Parts, req: Request, res: Response, thrown: unknown, next: NextFunction): void {
  answerError(req, res, thrown, answersOf(parts, req.baseUrl)).catch(next);
}
