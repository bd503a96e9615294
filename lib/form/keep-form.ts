import { randomBytes } from "node:crypto";
import type { Request } from "express";
import { answerError } from "../answer/answer-error.js";
import { wantsPage } from "../answer/client.js";
import { type Log, logFailure } from "../answer/log.js";
import { originOf, type Parts, type Visit, withLogin } from "../context/router-context.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSameOrigin } from "../http/csrf.js";
import { addressOf } from "../http/external-url.js";
import { beginLogin } from "../login/login.js";
import { isOwnRoute } from "../login/own-routes.js";
import { pageBefore } from "../login/sign-in-page.js";
import type { StrengthWanted } from "../login/strength.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { createBudget } from "./budget.js";
import { FORM_LIFE_MS, type Posted, withForms } from "./kept-forms.js";
import { readRepeatable } from "./repeatable.js";
import { sealForm } from "./sealed-form.js";

/** The resolved option `keepForm` of a guard. */
export interface KeepForm {
  /** The guard keeps no longer body. */
  readonly maxBytes: number;
  /** Returns the page for a user who does not send the form. Default: the page of the form. */
  readonly backOf: ((req: Request) => string) | undefined;
}

/** All forms that one process keeps at the same time, so that strangers cannot fill the store. */
const MOST_BYTES = 16 * 1024 * 1024;
const spend = createBudget(MOST_BYTES, FORM_LIFE_MS);
const tellSpent = onceAMinute((log: Log) => log.warn(SPENT));
const tellOff = onceAMinute((log: Log) => log.warn(OFF));

const OFF =
  "requireAuth({ keepForm }) keeps nothing while routes.form is false: give it a path, or omit keepForm. A form that is posted without a login gets 401.";

const SPENT =
  "requireAuth({ keepForm }) keeps no more forms for now: this process has put 16 MiB of them into the session store within ten minutes. Meanwhile a form that is posted without a login gets 401.";

/**
 * Keeps a form that a user has posted after the session had ended, and begins a login. Keeps only what a page of this
 * origin has posted in a browser window. Nothing is sent later without the user's consent.
 *
 * @returns whether the request was answered; if not, nothing was kept
 */
export async function keepForm(
  parts: Parts,
  visit: Visit,
  { maxBytes, backOf }: KeepForm,
  wanted: StrengthWanted = {},
): Promise<boolean> {
  const { req } = visit;
  if (parts.settings.routes.form === false) tellOff(parts.log);
  const posted = postedBy(parts, visit);
  if (!posted || !isPosted(parts, req)) return false;
  const body = await readRepeatable(req, maxBytes);
  if (body === undefined) return false;
  let back: string | undefined;
  try {
    back = backOf ? backOf(req) : pageBefore(parts, visit);
    await parts.getPortal(); // first, so that nothing is stored if the provider is down
    const id = await store(parts, req, posted, body);
    if (id === undefined) return false;
    await beginLogin(parts, visit, { returnTo: back, ...wanted }, { form: id });
  } catch (error) {
    await answerError(req, visit.res, error, withLogin(parts, visit.mount, back, wanted));
  }
  return true;
}

/**
 * Returns what is known of a form before its body is read. Undefined if a browser cannot be redirected to its address.
 */
export function postedBy({ settings }: Parts, { req, mount }: Visit): Posted | undefined {
  const to = addressOf(settings, mount, req, "");
  if (to === "" || isOwnRoute(settings, mount, to)) return undefined;
  return { to, length: Number(req.headers["content-length"]) };
}

/** Whether a page of this origin has posted, and its window waits for the answer. */
function isPosted(parts: Parts, req: Request): boolean {
  const { settings } = parts;
  const isWindow = (req.headers["sec-fetch-dest"] ?? "document") === "document"; // providers refuse to show their login in a frame
  return (
    settings.routes.form !== false &&
    req.method === "POST" &&
    isWindow &&
    wantsPage(req) &&
    isSameOrigin(req.headers, originOf(parts))
  );
}

/** Stores a form. Resolves to its id; undefined if it was not stored. */
async function store(parts: Parts, req: Request, posted: Posted, body: string): Promise<string | undefined> {
  const { log, settings } = parts;
  const id = randomBytes(32).toString("base64url");
  const sealed = sealForm(parts, { id, to: posted.to, body });
  if (!spend(sealed.length)) {
    tellSpent(log);
    return undefined;
  }
  return withForms(req, settings, (forms) => forms.keep(id, posted, sealed)).then(
    () => id,
    (error: PortalAuthError) => {
      logFailure(log, error);
      return undefined;
    },
  );
}
