import { randomBytes } from "node:crypto";
import type { Request } from "express";
import { answerError } from "../answer/answer-error.js";
import { wantsPage } from "../answer/client.js";
import { type Log, logFailure } from "../answer/log.js";
import { isSameOrigin } from "../anti-forgery.js";
import type { PortalAuthError } from "../errors.js";
import { addressOf } from "../external-address.js";
import { beginLogin } from "../login/login.js";
import { isOwnRoute } from "../login/own-routes.js";
import { pageBefore } from "../login/sign-in-page.js";
import type { StrengthWanted } from "../login/strength.js";
import { originOf, type Parts, type Visit, withLogin } from "../parts.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { createBudget } from "./budget.js";
import { FORM_LIFE_MS, type Posted, withForms } from "./kept-forms.js";
import { readRepeatable } from "./repeatable.js";
import { sealForm } from "./sealed-form.js";

/** What a guard says of the forms that it keeps. */
export interface KeepForm {
  /** The greatest that it keeps. */
  readonly maxBytes: number;
  /** Where a person goes who does not want theirs sent. Default the page that it came from. */
  readonly backOf: ((req: Request) => string) | undefined;
}

/** Strangers cannot fill the store: so much of it one process may fill, within the time that a form is kept. */
const MOST_BYTES = 16 * 1024 * 1024;
const spend = createBudget(MOST_BYTES, FORM_LIFE_MS);
const tellSpent = onceAMinute((log: Log) => log.warn(SPENT));
const tellOff = onceAMinute((log: Log) => log.warn(OFF));

const OFF =
  "requireAuth({ keepForm }) keeps nothing while routes.form is false: give it a path, or leave keepForm out. Who posts a form without being logged in gets 401.";

const SPENT =
  "requireAuth({ keepForm }) keeps no more forms for now: this process has put 16 MiB of them into the session store within ten minutes. Who posts one without being logged in gets 401 meanwhile.";

/**
 * Keeps a form that a person has posted after their session had ended, and begins a login. Only what a page of this same
 * site has posted, as what a person would see; and whatever it is, nothing is sent later unless they say so then.
 *
 * @returns whether the request was answered; else nothing was kept
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
    await parts.getPortal(); // before anything is kept: a portal that is down leaves no trace
    const id = await store(parts, req, posted, body);
    if (id === undefined) return false;
    await beginLogin(parts, visit, { returnTo: back, ...wanted }, { form: id });
  } catch (error) {
    await answerError(req, visit.res, error, withLogin(parts, visit.mount, back, wanted));
  }
  return true;
}

/** What is seen of a form before its body is read; undefined where it goes to no address that a browser can be sent to. */
export function postedBy({ settings }: Parts, { req, mount }: Visit): Posted | undefined {
  const to = addressOf(settings, mount, req, "");
  if (to === "" || isOwnRoute(settings, mount, to)) return undefined;
  return { to, length: Number(req.headers["content-length"]) };
}

/** A page of this site has posted, and its window waits for the answer. */
function isPosted(parts: Parts, req: Request): boolean {
  const { settings } = parts;
  const isWindow = (req.headers["sec-fetch-dest"] ?? "document") === "document"; // in a frame no portal lets anybody log in
  return (
    settings.routes.form !== false &&
    req.method === "POST" &&
    isWindow &&
    wantsPage(req) &&
    isSameOrigin(req.headers, originOf(parts))
  );
}

/** The id under which it is kept; undefined where it is not. */
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
