import type { Request, Response } from "express";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { getOrigin, offerRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { canBeForged, type ResolvedCsrf } from "../http/csrf.js";
import { RequestPortal } from "../request-portal.js";

/** Returns whether another site may have caused this request. Always false without the option `csrf`. */
export function isCrossSiteRequest(
  req: Request,
  portal: RequestPortal,
  csrf: ResolvedCsrf | undefined,
): boolean {
  return (
    csrf !== undefined && canBeForged(req, csrf, () => getOrigin(RequestPortal.internalsOf(portal).router))
  );
}

/** Responds with `cross_site_refused`. The page offers no login, because another site must not start one. */
export function rejectCrossSiteRequest(req: Request, res: Response, portal: RequestPortal): Promise<void> {
  const detail = `${req.method}, Sec-Fetch-Site: ${describeFetchSite(req)}`;
  const error = new PortalAuthError("cross_site_refused", { detail });
  const { router, request } = RequestPortal.internalsOf(portal);
  return sendErrorResponse(req, res, error, offerRetry(router, request));
}

/** Describes the header with a known value only, so that no text of an attacker gets into the log. */
function describeFetchSite({ headers: { "sec-fetch-site": site } }: Request): string {
  if (site === undefined) return "missing";
  return site === "cross-site" || site === "same-site" || site === "none" ? site : "another value";
}
