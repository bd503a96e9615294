import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { originOf, withRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { type AntiForgery, isForged } from "../http/csrf.js";
import { RequestPortal } from "../request-portal.js";

/** Whether this request may be another site's work, at a guard that asks. */
export function isCrossSite(req: Request, portal: RequestPortal, csrf: AntiForgery | undefined): boolean {
  return csrf !== undefined && isForged(req, csrf, () => originOf(RequestPortal.insideOf(portal).parts));
}

/** Says no. Another site's page must not make a login begin, so none is offered. */
export function refuseCrossSite(req: Request, res: Response, portal: RequestPortal): Promise<void> {
  const detail = `${req.method}, Sec-Fetch-Site: ${siteTold(req)}`;
  const error = new PortalAuthError("cross_site_refused", { detail });
  const { parts, visit } = RequestPortal.insideOf(portal);
  return answerError(req, res, error, withRetry(parts, visit));
}

/** A word that browsers have for it, and nobody else's words in the log. */
function siteTold({ headers: { "sec-fetch-site": site } }: Request): string {
  if (site === undefined) return "missing";
  return site === "cross-site" || site === "same-site" || site === "none" ? site : "something else";
}
