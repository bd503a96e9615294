import type { ErrorRequestHandler } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { refuseRequest } from "../util/assert-factory-call.js";
import { answerFailure } from "./answer-failure.js";
import { portalNamed } from "./portal-named.js";

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
  refuseRequest(options, "portalErrors");
  const { portal: name } = options;
  const portalOf = portalNamed(name);
  return function answerPortalErrors(error, req, res, next) {
    const portal = portalOf(req);
    if (!(error instanceof PortalAuthError) || !portal || res.headersSent) return next(error);
    answerFailure(req, res, portal, {}, error).catch(next);
  };
}
