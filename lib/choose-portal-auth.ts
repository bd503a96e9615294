import type { NextFunction, Request, RequestHandler, Response } from "express";
import { createLog, createSafeWrite, type Log } from "./answer/log.js";
import { createPageRenderer } from "./answer/page-renderer.js";
import { sendErrorResponse } from "./answer/send-error-response.js";
import type { Logger } from "./contract/logger.js";
import type { RenderPage } from "./contract/page-parts.js";
import type { WordsGiven } from "./errors/languages/words.js";
import { PortalAuthError } from "./errors/portal-auth-error.js";
import { redactError } from "./errors/redact.js";
import { emitNothing } from "./events/event-emitter.js";
import type { PortalAuth } from "./portal-auth.js";
import { multiTenantRequests } from "./session/multi-tenant-requests.js";
import { onceAMinute } from "./util/once-a-minute.js";

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

/** The router for a request. Without one, the request gets 404 `tenant_unknown`. */
export type Choice = PortalAuth | null | undefined;

/**
 * Gives each request to the portalAuth() that your function returns: one for each tenant, found by host or path. Create
 * each router once, not for each request: it remembers its provider and its sessions. No request goes on without a router:
 * - If the function returns nothing, the answer is 404 `tenant_unknown`.
 * - If it throws, rejects, or returns anything else than a portalAuth(), an Error goes to `next`.
 *
 * @param choose is called for every request, so it should answer from memory
 * @throws TypeError at start-up, if `choose` is no function
 */
export function choosePortalAuth(
  choose: (req: Request) => Choice | PromiseLike<Choice>,
  { logger, languages = {}, renderPage }: ChooseOptions = {},
): ChosenPortalAuth {
  if (typeof choose !== "function") throw new TypeError("choosePortalAuth: give a function of the request");
  const given = createLog(logger && createSafeWrite(logger), emitNothing);
  const log: Log = { ...given, warn: onceAMinute(given.warn) };
  const pages = createPageRenderer({ languages, render: renderPage, log: given });
  const usedRouters = new Set<PortalAuth>();
  return Object.assign(chosenPortalAuth, {
    close: async () => void (await Promise.all([...usedRouters].map(closeRouter))),
  });

  function chosenPortalAuth(req: Request, res: Response, next: NextFunction): void {
    const fail = (thrown: unknown) => next(toError(thrown));
    const forward = (choice: Choice) => forwardTo(choice, req, res, next);
    try {
      const choice = choose(req);
      if (isThenable(choice)) Promise.resolve(choice).then(forward).catch(fail);
      else forward(choice);
    } catch (thrown) {
      fail(thrown);
    }
  }

  function forwardTo(choice: Choice, req: Request, res: Response, next: NextFunction): void {
    if (choice === undefined || choice === null) {
      sendErrorResponse(req, res, new PortalAuthError("tenant_unknown"), {
        isLogin: false,
        log,
        pages,
      }).catch(next);
      return;
    }
    if (!isPortalAuth(choice)) throw new TypeError(NOT_A_ROUTER);
    usedRouters.add(choice);
    multiTenantRequests.add(req);
    choice(req, res, next);
  }
}

const NOT_A_ROUTER = "choosePortalAuth: your function returned something else than what portalAuth() makes";

/** Express continues without an error after `next(undefined)`, and skips handlers after `next("route")`. */
const toError = (thrown: unknown): Error =>
  thrown instanceof Error
    ? thrown
    : new Error(`choosePortalAuth: your function threw ${redactError(thrown)}, not an Error`);

/** Looks at the members: the router may come from another copy of this package. */
function isPortalAuth(choice: unknown): choice is PortalAuth {
  if (typeof choice !== "function") return false;
  const { close, explain } = choice as Partial<PortalAuth>;
  return typeof close === "function" && typeof explain === "function";
}

const isThenable = (value: unknown): value is PromiseLike<Choice> =>
  typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";

const closeRouter = (auth: PortalAuth): Promise<void> => auth.close();
