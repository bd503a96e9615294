import type { NextFunction, Request, RequestHandler, Response } from "express";
import { consoleLog } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { explanationOf } from "../errors/error-reference.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { describeError } from "../errors/redact.js";
import { listen } from "../events/subscribe-to-events.js";
import { returnTo } from "../http/external-url.js";
import { isProduction } from "../settings/settings.js";
import { refuseRequest } from "../util/assert-factory-call.js";
import { Door } from "./door.js";
import { pageFiles } from "./files.js";
import { sendHere, sendJson } from "./inspector-headers.js";
import { createNotebook, type Notebook } from "./notebook.js";
import { createGate } from "./refuse.js";
import { configurationHere, peopleHere } from "./users.js";

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

type Answer = (req: Request, res: Response) => void | Promise<void>;

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
  const notebook = createNotebook();
  const stopListening = listen(notebook.listeners, cannotShow);
  const comesFromHere = createGate();
  const door = new Door();
  const answers = createAnswers(notebook);
  return Object.assign(portalInspector, { close, link: (address: string | URL) => door.link(address) });

  function portalInspector(req: Request, res: Response, next: NextFunction): void {
    const isOpen = comesFromHere(req) && door.opensFor(req, res);
    const method = req.method === "HEAD" ? "GET" : req.method;
    const answer = isOpen ? answers.get(`${method} ${req.path}`) : undefined;
    Promise.resolve((answer ?? notFound)(req, res)).catch(next);
  }

  function close(): void {
    stopListening();
    notebook.clear();
  }
}

const cannotShow = (error: unknown, name: string): void =>
  consoleLog.warn(`inspector(): ${name} cannot be shown (${describeError(error)}).`);

const NOT_IN_PRODUCTION =
  "\n  - inspector(): NODE_ENV is production. It shows tokens' contents and is for developers' own machines: mount it only where NODE_ENV is something else.";

function createAnswers(notebook: Notebook): Map<string, Answer> {
  const answers = new Map<string, Answer>([
    [
      "GET /events.json",
      async (req, res) => sendJson(res, { ...notebook.since(req.query), people: await peopleHere(req) }),
    ],
    ["GET /configuration.json", (req, res) => sendJson(res, configurationHere(req))],
    ["GET /explanation.json", explain],
  ]);
  for (const { path, type, text } of pageFiles())
    answers.set(`GET /${path}`, path === "" ? page(type, text) : (_req, res) => sendHere(res, type, text));
  return answers;
}

/** All addresses in the page are relative to its own, which ends in a slash. */
const page =
  (type: string, text: string): Answer =>
  (req, res) =>
    /^[^?]*\/(\?|$)/.test(req.originalUrl)
      ? sendHere(res, type, text)
      : redirect(res, 303, returnTo(`${req.baseUrl}/`));

function explain(req: Request, res: Response): void {
  const explained = explanationOf(String(req.query["code"]));
  if (explained) sendJson(res, explained);
  else notFound(req, res);
}

/** Without a word about what is here. */
function notFound(_req: Request, res: Response): void {
  res.statusCode = 404;
  sendHere(res, "text/plain; charset=utf-8", "Not Found\n");
}
