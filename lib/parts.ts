import type { Request, Response } from "express";
import type { ErrorAnswer } from "./answer/answer-error.js";
import type { Log } from "./answer/log.js";
import type { Transactions } from "./login/transaction.js";
import type { Settings } from "./options.js";
import type { GetPortal } from "./portal/discover.js";
import type { Sealer } from "./session/seal.js";

/** What the steps of one portalAuth() share. */
export interface Parts {
  readonly settings: Settings;
  readonly getPortal: GetPortal;
  readonly transactions: Transactions;
  /** Seals what a confirmation page posts back. */
  readonly confirmations: Sealer;
  readonly log: Log;
}

/** One request on its way through a step. */
export interface Visit {
  readonly req: Request;
  readonly res: Response;
  /** Where the router is mounted, as this request sees it: our own addresses start with it. */
  readonly mount: string;
}

/** How a failure of this visit is answered. */
export function answersOf({ settings, log }: Parts, mount: string): ErrorAnswer {
  const { login } = settings.routes;
  return { hooks: settings.hooks, log, login: login === false ? undefined : mount + login };
}
