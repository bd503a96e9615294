import type { Request } from "express";
import type { Parts } from "./parts.js";
import { RequestPortal } from "./request-portal.js";

/** What cannot be seen before a request comes by, and would end in a bare 404 or in logins that nobody finds. */
export function lookAtMount({ settings, log }: Parts, req: Request): void {
  const { name, redirectUri, routes } = settings;
  const first = firstOfName(req, name);
  if (first && name !== undefined) log.warn(`Two portalAuth() are called ${name}: req.portals knows the second alone.`);
  if (routes.callback === false) return;
  const answered = req.baseUrl + routes.callback;
  if (first && first.visit.mount + first.parts.settings.routes.callback === answered)
    log.warn(
      `Two portalAuth() answer ${answered}, which is the first alone: give the other routes of its own, or a path.`,
    );
  const asked = new URL(redirectUri).pathname;
  if (!asked.endsWith(answered))
    log.warn(
      `portalAuth() answers ${answered}, but PORTAL_REDIRECT_URI (option redirectUri) leads to ${asked}: who comes back from the portal would find nothing there. Write an address that ends in ${answered}, or mount it elsewhere.`,
    );
}

/** Another one without a name, or with the same, that the request has met already. */
function firstOfName(req: Request, name: string | undefined) {
  const portal = (name === undefined ? req.portal : req.portals?.[name]) as RequestPortal | undefined;
  const inside = portal && RequestPortal.insideOf(portal);
  return inside?.parts.settings.name === name ? inside : undefined;
}
