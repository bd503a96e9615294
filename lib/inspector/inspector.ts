import type { NextFunction, Request, RequestHandler, Response } from "express";
import { consoleLog } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { findErrorExplanation } from "../errors/error-reference.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { redactError } from "../errors/redact.js";
import { subscribeToEvents } from "../events/subscribe-to-events.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { isProduction } from "../settings/environment.js";
import { assertFactoryCall } from "../util/assert-factory-call.js";
import { EventLog } from "./event-log.js";
import { InspectorAccess } from "./inspector-access.js";
import { sendInspectorJson, sendInspectorResponse } from "./inspector-response.js";
import { createLocalRequestCheck } from "./local-request.js";
import { readPageFiles } from "./page-files.js";
import { describeConfigurations, describeUsers } from "./users.js";

/** The handler of the page. */
export interface Inspector extends RequestHandler {
  /**
   * Returns the page's URL with a token that opens it once. An app can print it at start-up.
   *
   * @param address the page's URL with its trailing slash, such as `http://localhost:3000/portal-inspector/`
   */
  link(address: string | URL): string;
  /**
   * Stops recording events, and removes all records. Needed only in programs that create several inspectors.
   */
  close(): void;
}

type InspectorHandler = (req: Request, res: Response) => void | Promise<void>;

/**
 * Creates a page for developers. It shows each login step by step, the tokens of the user in this browser,
 * refreshes, failures with hints, and the configuration. Mount it after portalAuth():
 * `app.use('/portal-inspector', inspector())`.
 *
 * It records events from now on, and keeps the latest 50 logins and 200 other events in memory. A token in
 * the URL opens it once, for one browser. The console shows that URL. After that a cookie keeps it open for
 * 12 hours. All other requests get a bare 404, also those from another machine, through a proxy, or for
 * another host name.
 *
 * @throws PortalAuthError `options_invalid` if NODE_ENV is production
 */
export function inspector(...nothing: never[]): Inspector {
  assertFactoryCall(nothing[0], "inspector");
  if (isProduction()) throw new PortalAuthError("options_invalid", { detail: NOT_IN_PRODUCTION });
  const eventLog = new EventLog();
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
  "\n  - inspector(): NODE_ENV is production. It shows the content of tokens and is only for the machines " +
  "of developers. Mount it only if NODE_ENV is not production.";

function createHandlers(eventLog: EventLog): Map<string, InspectorHandler> {
  const handlers = new Map<string, InspectorHandler>([
    [
      "GET /events.json",
      async (req, res) =>
        sendInspectorJson(res, { ...eventLog.getUpdate(req.query), users: await describeUsers(req) }),
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

/** Creates the handler of the page. All URLs in it are relative, so its own URL must end in a slash. */
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

/** Responds with a 404 that does not reveal the inspector. */
function sendNotFound(_req: Request, res: Response): void {
  res.statusCode = 404;
  sendInspectorResponse(res, "text/plain; charset=utf-8", "Not Found\n");
}
