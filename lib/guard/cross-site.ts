import type { Request, Response } from "express";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { getOrigin, offerRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { canBeForged, type ResolvedCsrf } from "../http/csrf.js";
import { RequestPortal } from "../request-portal.js";

/** Whether this request may be another site's work, at a guard that asks. */
export function isCrossSiteRequest(
  req: Request,
  portal: RequestPortal,
  csrf: ResolvedCsrf | undefined,
): boolean {
  return (
    csrf !== undefined && canBeForged(req, csrf, () => getOrigin(RequestPortal.internalsOf(portal).router))
  );
}

/** Says no. Another site's page must not make a login begin, so none is offered. */
export function rejectCrossSiteRequest(req: Request, res: Response, portal: RequestPortal): Promise<void> {
  const detail = `${req.method}, Sec-Fetch-Site: ${describeFetchSite(req)}`;
  const error = new PortalAuthError("cross_site_refused", { detail });
  const { router, request } = RequestPortal.internalsOf(portal);
  return sendErrorResponse(req, res, error, offerRetry(router, request));
}

/** A word that browsers have for it, and nobody else's words in the log. */
function describeFetchSite({ headers: { "sec-fetch-site": site } }: Request): string {
  if (site === undefined) return "missing";
  return site === "cross-site" || site === "same-site" || site === "none" ? site : "something else";
}
