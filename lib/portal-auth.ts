import type { NextFunction, Request, RequestHandler, Response } from "express";
import { answerError } from "./answer/answer-error.js";
import { isPrefetch } from "./answer/client.js";
import { ourHeaders } from "./answer/headers.js";
import { consoleLog } from "./answer/log.js";
import { callbackStep } from "./callback/callback.js";
import { PortalAuthError } from "./errors.js";
import { loginStep } from "./login/login.js";
import { createTransactions } from "./login/transaction.js";
import { logoutStep } from "./logout/logout.js";
import type { PortalAuthOptions } from "./options.js";
import { answersOf, type Parts, type Visit, withoutSlash } from "./parts.js";
import { createDiscovery } from "./portal/discover.js";
import { RequestPortal } from "./request-portal.js";
import { createSessionMount, type OwnSessionOptions } from "./session/own-session.js";
import { createSealer } from "./session/seal.js";
import { type Settings, settleOptions, warnings } from "./settings.js";

type Step = (visit: Visit) => Promise<void>;

/**
 * The router: attaches `req.portal` to every request, and answers /login, /callback and /logout. Options that are left
 * out come from the environment.
 *
 * @throws PortalAuthError `options_invalid` when the app starts: all problems at once
 */
export function portalAuth(options?: PortalAuthOptions): RequestHandler {
  const parts = createParts(settleOptions(options));
  const routes = createRoutes(parts);
  const mountSession = createSessionMount(sessionOptions(parts));

  return function portalAuthRouter(req, res, next) {
    mountSession(req, res, (error?: unknown) => {
      req.portal = new RequestPortal(parts, req, res);
      if (error)
        return fail(
          parts,
          req,
          res,
          new PortalAuthError("session_store_failed", { detail: res.headersSent ? "save" : "read", cause: error }),
          next,
        );
      const step = routes.get(`${req.method} ${withoutSlash(req.path)}`);
      if (!step) return next();
      step({ req, res, mount: req.baseUrl }).catch((thrown) => fail(parts, req, res, thrown, next));
    });
  };
}

/** The same secret may serve several routers: what one of them sealed is nothing to another. */
const belongsTo = ({ issuer, clientId, redirectUri }: Settings): string =>
  JSON.stringify([issuer, clientId, redirectUri]);

function createParts(settings: Settings): Parts {
  for (const warning of warnings()) consoleLog.warn(warning);
  return {
    settings,
    getPortal: createDiscovery(settings),
    transactions: createTransactions({
      secrets: settings.secrets,
      https: settings.https,
      belongsTo: belongsTo(settings),
    }),
    confirmations: createSealer(settings.secrets, `logout ${belongsTo(settings)}`),
    log: consoleLog,
  };
}

function sessionOptions({ settings, log }: Parts): OwnSessionOptions {
  const { secrets, https, sessionIdle: idleSeconds, store } = settings;
  return { secrets, https, idleSeconds, store, warn: log.warn };
}

function createRoutes(parts: Parts): Map<string, Step> {
  const { login, callback, logout } = parts.settings.routes;
  const [begin, finish, leave] = [loginStep(parts), callbackStep(parts), logoutStep(parts)];
  const table: [method: string, path: string | false, step: Step][] = [
    ["GET", login, unlessPrefetched(begin)],
    ["HEAD", login, nothing],
    ["GET", callback, unlessPrefetched(finish)],
    ["POST", callback, finish],
    ["HEAD", callback, nothing],
    ["GET", logout, unlessPrefetched(leave)],
    ["POST", logout, leave],
    ["HEAD", logout, nothing],
  ];
  const on = table.filter((row): row is [string, string, Step] => row[1] !== false);
  return new Map(on.map(([method, path, step]) => [`${method} ${withoutSlash(path)}`, step]));
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

function fail(parts: Parts, req: Request, res: Response, thrown: unknown, next: NextFunction): void {
  answerError(req, res, thrown, answersOf(parts, req.baseUrl)).catch(next);
}
