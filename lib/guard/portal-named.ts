import type { Request, Response } from "express";
import { answerError } from "../answer/answer-error.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { RequestPortal } from "../request-portal.js";

type PortalOf = (req: Request) => RequestPortal | undefined;

/** How to find the person of a request: at the portalAuth() of this name, or at the one that needs none. */
export const portalNamed = (name: string | undefined): PortalOf =>
  name === undefined ? (req) => (isAmbiguous(req) ? undefined : req.portal) : (req) => req.portals?.[name];

/** Several, and all of them with a name: whose login is wanted only the application can say. */
const isAmbiguous = ({ portal, portals }: Request): boolean =>
  portals !== undefined && Object.keys(portals).length > 1 && Object.values(portals).includes(portal);

/** Nobody passes where no portalAuth() has been: with the names that there are, by the words and the log of those. */
export function answerMissing(req: Request, res: Response, name: string | undefined): Promise<void> {
  const met: Record<string, RequestPortal | undefined> = {
    ...(!isAmbiguous(req) && { default: req.portal }),
    ...req.portals,
  };
  const [first] = Object.values(met).filter((portal) => portal !== undefined);
  const names = Object.keys(met).filter((one) => met[one] !== undefined);
  const wanted =
    name === undefined
      ? "write which one, requireAuth({ portal })"
      : `no portalAuth({ name: "${name}" }) has`;
  const detail = first && `${wanted}; there are: ${names.join(", ")}`;
  const parts = first && RequestPortal.insideOf(first).parts;
  const error = new PortalAuthError("portal_auth_missing", detail === undefined ? {} : { detail });
  return answerError(
    req,
    res,
    error,
    parts && { log: parts.log, pages: parts.pages, hooks: parts.settings.hooks },
  );
}
