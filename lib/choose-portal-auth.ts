import type { NextFunction, Request, RequestHandler, Response } from "express";
import { createLog, createSafeWrite, type Log } from "./answer/log.js";
import { createPageRenderer } from "./answer/page-renderer.js";
import { sendErrorResponse } from "./answer/send-error-response.js";
import type { Logger } from "./contract/logger.js";
import type { RenderPage } from "./contract/page-parts.js";
import type { PartialWords } from "./errors/page-texts/words.js";
import { PortalAuthError } from "./errors/portal-auth-error.js";
import { redactError } from "./errors/redact.js";
import { emitNothing } from "./events/event-emitter.js";
import type { PortalAuth } from "./portal-auth.js";
import { multiTenantRequests } from "./session/multi-tenant-requests.js";
import { onceAMinute } from "./util/once-a-minute.js";

/** The middleware that choosePortalAuth() returns. */
export interface ChosenPortalAuth extends RequestHandler {
  /** Closes every router that was used so far: see PortalAuth.close(). */
  close(): Promise<void>;
}

/**
 * Options for the response to a request without a router. They have the meaning of the same options of
 * portalAuth().
 */
export interface ChooseOptions {
  /**
   * Receives one line a minute at most, because any client can send an unknown host. Default: the console.
   */
  readonly logger?: Logger;
  /** Texts of the page in other languages than English and Chinese. */
  readonly languages?: Readonly<Record<string, PartialWords>>;
  /** Renders the HTML of the page. Default: our own page. */
  readonly renderPage?: RenderPage;
}

/** The router for a request. Undefined or null: the request gets 404 `tenant_unknown`. */
export type Choice = PortalAuth | null | undefined;

/**
 * Passes each request to the portalAuth() that your function returns, for example one for each tenant, chosen
 * by host or path. Create each router once, not for each request: it remembers its provider and its sessions.
 *
 * No request reaches the application without a router:
 * - If the function returns nothing, the response is 404 `tenant_unknown`.
 * - If it throws, rejects, or returns anything else than a portalAuth(), an Error goes to `next`.
 *
 * @param choose is called for every request, so it should do no I/O
 * @throws TypeError at start-up if `choose` is not a function
 */
export function choosePortalAuth(
  choose: (req: Request) => Choice | PromiseLike<Choice>,
  { logger, languages = {}, renderPage }: ChooseOptions = {},
): ChosenPortalAuth {
  if (typeof choose !== "function")
    throw new TypeError("choosePortalAuth: pass a function that takes the request");
  const fullLog = createLog(logger && createSafeWrite(logger), emitNothing);
  const log: Log = { ...fullLog, warn: onceAMinute(fullLog.warn) };
  const pages = createPageRenderer({ languages, render: renderPage, log: fullLog });
  const usedRouters = new Set<PortalAuth>();
  return Object.assign(chosenPortalAuth, { close });

  async function close(): Promise<void> {
    await Promise.all([...usedRouters].map((router) => router.close()));
  }

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

const NOT_A_ROUTER = "choosePortalAuth: your function returned something else than a portalAuth()";

/**
 * Returns an Error for `next`: Express would continue after `next(undefined)`, and skip handlers after
 * `next("route")`.
 */
const toError = (thrown: unknown): Error =>
  thrown instanceof Error
    ? thrown
    : new Error(`choosePortalAuth: your function threw ${redactError(thrown)}, not an Error`);

/** Checks the members, because the router may come from another copy of this package. */
function isPortalAuth(choice: unknown): choice is PortalAuth {
  if (typeof choice !== "function") return false;
  const { close, explain } = choice as Partial<PortalAuth>;
  return typeof close === "function" && typeof explain === "function";
}

const isThenable = (value: unknown): value is PromiseLike<Choice> =>
  typeof (value as Partial<PromiseLike<unknown>> | null | undefined)?.then === "function";
