import type { NextFunction, Request, RequestHandler, Response } from "express";
import { consoleLog } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { findErrorExplanation } from "../errors/error-reference.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { subscribeToEvents } from "../events/subscribe-to-events.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { isProduction } from "../settings/settings.js";
import { refuseRequest } from "../util/assert-factory-call.js";
import { createEventLog, type EventLog } from "./event-log.js";
import { InspectorAccess } from "./inspector-access.js";
import { sendInspectorJson, sendInspectorResponse } from "./inspector-response.js";
import { createLocalRequestCheck } from "./local-request.js";
import { readPageFiles } from "./page-files.js";
import { describeConfigurations, describeUsers } from "./users.js";

/** The page, as a handler to be mounted. */
export interface Inspector extends RequestHandler {
  /**
   * Returns the page's address with a token that opens it once: for an app that prints its own address when it starts.
   *
   * @param address the page's address, with the slash at its end, such as `http://localhost:3000/portal-inspector/`
   */
  link(address: string | URL): string;
  /** Stops listening, and forgets what was heard. For programs that make several. */
  close(): void;
}

type InspectorHandler = (req: Request, res: Response) => void | Promise<void>;

/**
 * A page for developers that shows what happens: each login step by step, the tokens of whoever is logged in in this
 * browser, refreshes, failures with what to do, and the configuration. Mount it behind portalAuth():
 * `app.use('/portal-inspector', inspector())`.
 *
 * It listens from the moment it is made, and keeps the newest 50 logins and 200 other events in memory. A token opens it,
 * once, for one browser; the console shows the token. Then a cookie keeps it open for 12 hours. All other requests, and
 * those that come from another machine, through a proxy or by another host's name, get a bare 404.
 *
 * @throws PortalAuthError `options_invalid` if NODE_ENV is production
 */
export function inspector(...nothing: never[]): Inspector {
  refuseRequest(nothing[0], "inspector");
  if (isProduction()) throw new PortalAuthError("options_invalid", { detail: NOT_IN_PRODUCTION });
  const eventLog = createEventLog();
  const stopListening = subscribeToEvents(eventLog.listeners, reportListenerError);
  const isLocalRequest = createLocalRequestCheck();
  const access = new InspectorAccess();
  const handlers = createHandlers(eventLog);
  return Object.assign(portalInspector, { close, link: (address: string | URL) => access.link(address) });

  function portalInspector(req: Request, res: Response, next: NextFunction): void {
    const isOpen = isLocalRequest(req) && access.authorize(req, res);
    const method = req.method === "HEAD" ? "GET" : req.method;
    const handler = isOpen ? handlers.get(`${method} ${req.path}`) : undefined;
    Promise.resolve((handler ?? sendNotFound)(req, res)).catch(next);
  }

  function close(): void {
    stopListening();
    eventLog.clear();
  }
}

const reportListenerError = (error: unknown, name: string): void =>
  consoleLog.warn(`inspector(): ${name} cannot be shown (${redactError(error)}).`);

const NOT_IN_PRODUCTION =
  "\n  - inspector(): NODE_ENV is production. It shows tokens' contents and is for developers' own machines: mount it only where NODE_ENV is something else.";

function createHandlers(eventLog: EventLog): Map<string, InspectorHandler> {
  const handlers = new Map<string, InspectorHandler>([
    [
      "GET /events.json",
      async (req, res) =>
        sendInspectorJson(res, { ...eventLog.getUpdate(req.query), people: await describeUsers(req) }),
    ],
    ["GET /configuration.json", (req, res) => sendInspectorJson(res, describeConfigurations(req))],
    ["GET /explanation.json", sendExplanation],
  ]);
  for (const { path, type, text } of readPageFiles())
    handlers.set(
      `GET /${path}`,
      path === "" ? createPageHandler(type, text) : (_req, res) => sendInspectorResponse(res, type, text),
    );
  return handlers;
}

/** All addresses in the page are relative to its own, which ends in a slash. */
const createPageHandler =
  (type: string, text: string): InspectorHandler =>
  (req, res) =>
    /^[^?]*\/(\?|$)/.test(req.originalUrl)
      ? sendInspectorResponse(res, type, text)
      : redirect(res, 303, sanitizeReturnTo(`${req.baseUrl}/`));

function sendExplanation(req: Request, res: Response): void {
  const explanation = findErrorExplanation(String(req.query["code"]));
  if (explanation) sendInspectorJson(res, explanation);
  else sendNotFound(req, res);
}

/** Without a word about what is here. */
function sendNotFound(_req: Request, res: Response): void {
  res.statusCode = 404;
  sendInspectorResponse(res, "text/plain; charset=utf-8", "Not Found\n");
}
