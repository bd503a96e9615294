import type { Request } from "express";
import type { RequestPortal } from "../request-portal.js";

type PortalOf = (req: Request) => RequestPortal | undefined;

/** How to find the person of a request: at the portalAuth() of this name, or at the one that needs none. */
export const portalNamed = (name: string | undefined): PortalOf =>
  name === undefined ? (req) => req.portal : (req) => req.portals?.[name];
