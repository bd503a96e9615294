import type { ErrorRequestHandler } from "express";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { assertFactoryCall } from "../util/assert-factory-call.js";
import { createPortalFinder } from "./find-portal.js";
import { sendTokenFailure } from "./send-token-failure.js";

/** Options of portalErrors(). */
export interface PortalErrorsOptions {
  /** The `name` of the portalAuth() where the user signs in again. Default: the one of `req.portal`. */
  portal?: string;
}

/**
 * Creates an error handler for the failures of accessToken(), fetch() and userinfo(). It responds as the
 * guard does:
 *
 * - If the user must sign in again, a browser is redirected to the provider, and a script gets 401.
 * - If the provider is down, the response is 503, as a page or as problem+json.
 *
 * Every other error goes to the next error handler. Mount it after the routes.
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
