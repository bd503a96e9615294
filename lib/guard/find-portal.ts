import type { Request, Response } from "express";
import { sendErrorResponse } from "../answer/send-error-response.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { RequestPortal } from "../request-portal.js";

type FindPortal = (req: Request) => RequestPortal | undefined;

/** How to find the person of a request: at the portalAuth() of this name, or at the one that needs none. */
export const createPortalFinder = (name: string | undefined): FindPortal =>
  name === undefined ? (req) => (isAmbiguous(req) ? undefined : req.portal) : (req) => req.portals?.[name];

/** Several, and all of them with a name: whose login is wanted only the application can say. */
const isAmbiguous = ({ portal, portals }: Request): boolean =>
  portals !== undefined && Object.keys(portals).length > 1 && Object.values(portals).includes(portal);

/** Nobody passes where no portalAuth() has been: with the names that there are, by the words and the log of those. */
export function sendPortalMissing(req: Request, res: Response, name: string | undefined): Promise<void> {
  const portals: Record<string, RequestPortal | undefined> = {
    ...(!isAmbiguous(req) && { default: req.portal }),
    ...req.portals,
  };
  const [first] = Object.values(portals).filter((portal) => portal !== undefined);
  const names = Object.keys(portals).filter((one) => portals[one] !== undefined);
  const advice =
    name === undefined
      ? "write which one, requireAuth({ portal })"
      : `no portalAuth({ name: "${name}" }) has`;
  const detail = first && `${advice}; there are: ${names.join(", ")}`;
  const router = first && RequestPortal.internalsOf(first).router;
  const error = new PortalAuthError("portal_auth_missing", detail === undefined ? {} : { detail });
  return sendErrorResponse(
    req,
    res,
    error,
    router && { log: router.log, pages: router.pages, hooks: router.settings.hooks },
  );
}
