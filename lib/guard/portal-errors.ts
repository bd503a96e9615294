import type { ErrorRequestHandler } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { assertFactoryCall } from "../util/assert-factory-call.js";
import { createPortalFinder } from "./find-portal.js";
import { sendTokenFailure } from "./send-token-failure.js";

/** What portalErrors() is told. */
export interface PortalErrorsOptions {
  /** Where to sign in again: the option `name` of that portalAuth(). Default: at that of `req.portal`. */
  portal?: string;
}

/**
 * Answers what accessToken(), fetch() and userinfo() end with in a handler, as the guard would: who must sign in again
 * is sent to the portal (or gets 401), a portal that is down is a page or a problem with 503. Mount it after the routes;
 * every other error goes on to the next error handler.
 */
export function portalErrors(options: PortalErrorsOptions = {}): ErrorRequestHandler {
  assertFactoryCall(options, "portalErrors");
  const { portal: name } = options;
  const findPortal = createPortalFinder(name);
  return function answerPortalErrors(error, req, res, next) {
    const portal = findPortal(req);
    if (!(error instanceof PortalAuthError) || !portal || res.headersSent) return next(error);
    sendTokenFailure(req, res, portal, {}, error).catch(next);
  };
}
