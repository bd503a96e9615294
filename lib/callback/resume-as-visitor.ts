import { logFailure, sharedIdOf } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import type { Parts, Visit } from "../context/router-context.js";
import { asPortalAuthError } from "../errors/to-portal-auth-error.js";
import { startPage } from "../http/external-url.js";
import { readMark } from "../login/silent-mark.js";
import { responseOf } from "./posted.js";
import type { LoginWatch } from "./watch.js";

/**
 * Whether a login that nobody has asked for may end without a word. Otherwise the browser keeps its old cookies and takes
 * no new ones, and the page would send it to the portal once more.
 */
export const canTurnBack = ({ settings }: Parts, { req }: Visit): boolean =>
  readMark(req, settings) === "tried";

/** They see the page that they wanted, as a visitor; what is not ordinary the developer is told. */
export function turnBack(parts: Parts, visit: Visit, { attempted }: LoginWatch, error: unknown): void {
  const failure = asPortalAuthError(error);
  if (sharedIdOf(failure) === undefined) logFailure(parts.log, failure);
  redirect(visit.res, 303, attempted?.transaction.return_to ?? wayBack(parts, visit));
}

/** Of what failed before the attempt was looked for, or as it is not to be found. */
function wayBack(parts: Parts, visit: Visit): string {
  const home = startPage(parts.settings, visit.mount);
  try {
    const taken = parts.transactions.take(visit, responseOf(parts, visit.req).state, home);
    return taken.kind === "spent" ? taken.return_to : taken.transaction.return_to;
  } catch {
    return home;
  }
}
