import type { NextFunction, Request, RequestHandler, Response } from "express";
import { answerError } from "./answer/answer-error.js";
import { carefully, createLog, type Log } from "./answer/log.js";
import { createPages } from "./answer/pages.js";
import { PortalAuthError } from "./errors.js";
import { tellNobody } from "./events.js";
import type { Logger } from "./logger.js";
import type { RenderPage, WordsGiven } from "./pages.js";
import type { PortalAuth } from "./portal-auth.js";
import { chosenRequests } from "./session/chosen.js";
import { onceAMinute } from "./session/once-a-minute.js";

/** One portalAuth() or another, by request. */
export interface ChosenPortalAuth extends RequestHandler {
  /** Closes each that was chosen so far: see PortalAuth.close(). */
  close(): Promise<void>;
}

/** How a request is answered for which nothing is chosen; the same options as portalAuth() has. */
export interface ChooseOptions {
  /** Where the line for it goes, one a minute at most: whoever asks may choose the host. Default: the console. */
  readonly logger?: Logger;
  /** Words of the page in languages beside English and Chinese. */
  readonly languages?: Readonly<Record<string, WordsGiven>>;
  /** Makes the page's HTML instead of ours. */
  readonly renderPage?: RenderPage;
}

/** What is chosen for a request; nothing, and nobody is let through. */
export type Choice = PortalAuth | undefined;

/**
 * Lets each request meet the portalAuth() that is chosen for it: one for each tenant, known by host or path. Make each
 * once, and not for every request: it remembers its portal, and its sessions. Where none is chosen, nobody is let through:
 * the request is answered with 404 `tenant_unknown`.
 *
 * @param choose is called for every request, so it should answer from memory
 * @throws TypeError when the app starts: no function
 */
export function choosePortalAuth(
  choose: (req: Request) => Choice | Promise<Choice>,
  { logger, languages = {}, renderPage }: ChooseOptions = {},
): ChosenPortalAuth {
  if (typeof choose !== "function") throw new TypeError("choosePortalAuth: give a function of the request");
  const given = createLog(logger && carefully(logger), tellNobody);
  const log: Log = { ...given, warn: onceAMinute(given.warn) };
  const pages = createPages({ languages, render: renderPage, log: given });
  const met = new Set<PortalAuth>();
  return Object.assign(chosenPortalAuth, { close: async () => void (await Promise.all([...met].map(closed))) });

  function chosenPortalAuth(req: Request, res: Response, next: NextFunction): void {
    const choice = choose(req);
    if (choice instanceof Promise) choice.then((chosen) => meet(chosen, req, res, next)).catch(next);
    else meet(choice, req, res, next);
  }

  function meet(chosen: Choice, req: Request, res: Response, next: NextFunction): void {
    if (!chosen)
      return void answerError(req, res, new PortalAuthError("tenant_unknown"), { isLogin: false, log, pages }).catch(
        next,
      );
    if (typeof chosen !== "function") throw new TypeError(NOT_ONE);
    met.add(chosen);
    chosenRequests.add(req);
    chosen(req, res, next);
  }
}

const NOT_ONE = "choosePortalAuth: your function gave something else than what portalAuth() makes";

const closed = (auth: PortalAuth): Promise<void> => auth.close();
