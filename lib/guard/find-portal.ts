import type { Request, Response } from "express";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { RequestPortal } from "../request-portal.js";

type FindPortal = (req: Request) => RequestPortal | undefined;

/**
 * Creates the function that finds the `req.portal` of a request: the one of the portalAuth() with this name,
 * or the default one. The function returns undefined if the request has no such portalAuth(), or if all of
 * several have a name and none is given.
 */
export const createPortalFinder = (name: string | undefined): FindPortal =>
  name === undefined ? (req) => (isAmbiguous(req) ? undefined : req.portal) : (req) => req.portals?.[name];

/** Returns whether the request has several portalAuth() and each has a name, so that there is no default. */
const isAmbiguous = ({ portal, portals }: Request): boolean =>
  portals !== undefined && Object.keys(portals).length > 1 && Object.values(portals).includes(portal);

/**
 * Responds with `portal_auth_missing` to a request for which no portalAuth() was found. The detail lists the
 * names that exist. The response uses the log and the pages of the first of them.
 */
export function sendPortalMissing(req: Request, res: Response, name: string | undefined): Promise<void> {
  const portals: Record<string, RequestPortal | undefined> = {
    ...(!isAmbiguous(req) && { default: req.portal }),
    ...req.portals,
  };
  const [first] = Object.values(portals).filter((portal) => portal !== undefined);
  const names = Object.keys(portals).filter((key) => portals[key] !== undefined);
  const advice =
    name === undefined
      ? "set the option portal of requireAuth()"
      : `no portalAuth({ name: "${name}" }) was mounted before`;
  const detail = first && `${advice}; available: ${names.join(", ")}`;
  const router = first && RequestPortal.internalsOf(first).router;
  const error = new PortalAuthError("portal_auth_missing", detail === undefined ? {} : { detail });
  return sendErrorResponse(
    req,
    res,
    error,
    router && { log: router.log, pages: router.pages, hooks: router.settings.hooks },
  );
}
