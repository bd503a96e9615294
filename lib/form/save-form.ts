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
  /** The guard keeps no longer body. */
  readonly maxBytes: number;
  /** Returns the page for a user who does not send the form. Default: the page of the form. */
  readonly getReturnTo: ((req: Request) => string) | undefined;
}

/** All forms that one process keeps at the same time, so that strangers cannot fill the store. */
const MAX_STORED_BYTES = 16 * 1024 * 1024;
const consumeBytes = createSlidingWindowLimit(MAX_STORED_BYTES, FORM_LIFE_MS);
const warnLimitReached = onceAMinute((log: Log) => log.warn(LIMIT_REACHED_WARNING));
const warnRouteOff = onceAMinute((log: Log) => log.warn(ROUTE_OFF_WARNING));

const ROUTE_OFF_WARNING =
  "requireAuth({ keepForm }) keeps nothing while routes.form is false: give it a path, or omit keepForm. A form that is posted without a login gets 401.";

const LIMIT_REACHED_WARNING =
  "requireAuth({ keepForm }) keeps no more forms for now: this process has put 16 MiB of them into the session store within ten minutes. Meanwhile a form that is posted without a login gets 401.";

/**
 * Keeps a form that a user has posted after the session had ended, and begins a login. Keeps only what a page of this
 * origin has posted in a browser window. Nothing is sent later without the user's consent.
 *
 * @returns whether the request was answered; if not, nothing was kept
 */
export async function saveForm(
  router: RouterContext,
  request: RequestContext,
  { maxBytes, getReturnTo }: KeepFormSettings,
  requiredStrength: RequiredStrength = {},
): Promise<boolean> {
  const { req } = request;
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
    await startLogin(router, request, { returnTo: returnTo, ...requiredStrength }, { form: id });
  } catch (error) {
    await sendErrorResponse(
      req,
      request.res,
      error,
      offerLogin(router, request.mount, returnTo, requiredStrength),
    );
  }
  return true;
}

/**
 * Returns what is known of a form before its body is read. Undefined if a browser cannot be redirected to its address.
 */
export function describePostedForm(
  { settings }: RouterContext,
  { req, mount }: RequestContext,
): PostedForm | undefined {
  const to = getRequestUrl(settings, mount, req, "");
  if (to === "" || isOwnRoute(settings, mount, to)) return undefined;
  return { to, length: Number(req.headers["content-length"]) };
}

/** Whether a page of this origin has posted, and its window waits for the answer. */
function isPostedByOwnPage(router: RouterContext, req: Request): boolean {
  const { settings } = router;
  const isWindow = (req.headers["sec-fetch-dest"] ?? "document") === "document"; // providers refuse to show their login in a frame
  return (
    settings.routes.form !== false &&
    req.method === "POST" &&
    isWindow &&
    shouldSendPage(req) &&
    isSameOrigin(req.headers, getOrigin(router))
  );
}

/** Stores a form. Resolves to its id; undefined if it was not stored. */
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
