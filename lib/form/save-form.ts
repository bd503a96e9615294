import { randomBytes } from "node:crypto";
import type { Request } from "express";
import { shouldSendPage } from "../answer/client-kind.js";
import { type Log, logFailure } from "../answer/log.js";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { getOrigin, offerLogin, type RequestContext, type RouterContext } from "../context/router-context.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSameOrigin } from "../http/csrf.js";
import { getRequestUrl } from "../http/external-url.js";
import { isOwnRoute } from "../login/is-own-route.js";
import { startLogin } from "../login/login.js";
import { findRefererPage } from "../login/sign-in-page.js";
import type { RequiredStrength } from "../login-attempt/login-strength.js";
import { onceAMinute } from "../util/once-a-minute.js";
import { encryptForm } from "./encrypt-form.js";
import { readRepeatableForm } from "./read-repeatable-form.js";
import { FORM_LIFE_MS, type PostedForm, withSavedForms } from "./saved-forms.js";
import { createSlidingWindowLimit } from "./sliding-window-limit.js";

/** The resolved option `keepForm` of a guard. */
export interface KeepFormSettings {
  /** The maximum size of a body that is saved, in bytes. */
  readonly maxBytes: number;
  /** Returns the page for a user who discards the form. Default: the page of the form. */
  readonly getReturnTo: ((req: Request) => string) | undefined;
}

/** The limit for all forms that one process stores at a time, so that attackers cannot fill the store. */
const MAX_STORED_BYTES = 16 * 1024 * 1024;
const consumeBytes = createSlidingWindowLimit(MAX_STORED_BYTES, FORM_LIFE_MS);
const warnLimitReached = onceAMinute((log: Log) => log.warn(LIMIT_REACHED_WARNING));
const warnRouteOff = onceAMinute((log: Log) => log.warn(ROUTE_OFF_WARNING));

const ROUTE_OFF_WARNING =
  "requireAuth({ keepForm }) cannot save forms because routes.form is false. " +
  "Set routes.form to a path, or omit keepForm. A form that is posted without a login gets 401.";

const LIMIT_REACHED_WARNING =
  "requireAuth({ keepForm }) saves no more forms for now: " +
  "this process has saved 16 MiB of forms in the session store within ten minutes. " +
  "Meanwhile, a form that is posted without a login gets 401.";

/**
 * Saves a form that a user has posted after the session had ended, and starts a login. Only a form that a
 * page of this origin has posted in a browser window is saved. The form is never sent without the user's
 * consent.
 *
 * @returns whether a response was sent; if not, nothing was saved
 */
export async function saveForm(
  router: RouterContext,
  request: RequestContext,
  { maxBytes, getReturnTo }: KeepFormSettings,
  requiredStrength: RequiredStrength = {},
): Promise<boolean> {
  const { req, res, mount } = request;
  if (router.settings.routes.form === false) warnRouteOff(router.log);
  const posted = describePostedForm(router, request);
  if (!posted || !isPostedByOwnPage(router, req)) return false;
  const body = await readRepeatableForm(req, maxBytes);
  if (body === undefined) return false;
  let returnTo: string | undefined;
  try {
    returnTo = getReturnTo ? getReturnTo(req) : findRefererPage(router, request);
    await router.getProvider(); // first, so that nothing is stored if the provider is down
    const id = await storeForm(router, req, posted, body);
    if (id === undefined) return false;
    await startLogin(router, request, { returnTo, ...requiredStrength }, { form: id });
  } catch (error) {
    await sendErrorResponse(req, res, error, offerLogin(router, mount, returnTo, requiredStrength));
  }
  return true;
}

/**
 * Describes a form before its body is read. Returns undefined if a browser cannot be redirected to its URL.
 */
export function describePostedForm(
  { settings }: RouterContext,
  { req, mount }: RequestContext,
): PostedForm | undefined {
  const to = getRequestUrl(settings, mount, req, "");
  if (to === "" || isOwnRoute(settings, mount, to)) return undefined;
  return { to, length: Number(req.headers["content-length"]) };
}

/** Returns whether a page of this origin has posted, in a window that shows the response. */
function isPostedByOwnPage(router: RouterContext, req: Request): boolean {
  const { settings } = router;
  // A frame does not count: providers do not let a frame show their login page.
  const isWindow = (req.headers["sec-fetch-dest"] ?? "document") === "document";
  return (
    settings.routes.form !== false &&
    req.method === "POST" &&
    isWindow &&
    shouldSendPage(req) &&
    isSameOrigin(req.headers, getOrigin(router))
  );
}

/** Stores a form. Resolves to its id, or to undefined if it could not be stored. */
async function storeForm(
  router: RouterContext,
  req: Request,
  posted: PostedForm,
  body: string,
): Promise<string | undefined> {
  const { log, settings } = router;
  const id = randomBytes(32).toString("base64url");
  const encrypted = encryptForm(router, { id, to: posted.to, body });
  if (!consumeBytes(encrypted.length)) {
    warnLimitReached(log);
    return undefined;
  }
  return withSavedForms(req, settings, (forms) => forms.save(id, posted, encrypted)).then(
    () => id,
    (error: PortalAuthError) => {
      logFailure(log, error);
      return undefined;
    },
  );
}
