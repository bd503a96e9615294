import type { Request } from "express";
import type { RouterContext } from "./context/router-context.js";
import { normalizePath } from "./http/external-url.js";
import { RequestPortal } from "./request-portal.js";

/** How often each was made while a request was under way: the lazy one of a tenant once, one by mistake each time. */
const createdDuringRequests = new Map<string, number>();

/**
 * Whoever makes a portalAuth() for each request keeps the sessions of none, and people go round in circles.
 *
 * @param instance tells those apart that a request may make
 */
export function warnIfCreatedPerRequest({ log }: RouterContext, instance: string): void {
  const times = (createdDuringRequests.get(instance) ?? 0) + 1;
  createdDuringRequests.set(instance, times);
  if (times === 2)
    log.warn(
      "portalAuth() is called for each request: what one keeps in memory the next does not know. Call it once, when the app starts, and hand what it gives to app.use().",
    );
}

/** What cannot be seen before a request comes by, and would end in a bare 404 or in logins that nobody finds. */
export function warnIfMountedWrongly({ settings, log }: RouterContext, req: Request): void {
  const { name, redirectUri, routes } = settings;
  const earlier = findEarlierRouter(req, name);
  if (earlier && name !== undefined)
    log.warn(`Two portalAuth() are called ${name}: req.portals knows the second alone.`);
  if (routes.callback === false) return;
  const answeredPath = req.baseUrl + routes.callback;
  const isSame = (one: string, other: string) => normalizePath(one) === normalizePath(other);
  if (earlier && isSame(earlier.request.mount + earlier.router.settings.routes.callback, answeredPath))
    log.warn(
      `Two portalAuth() answer ${answeredPath}, which is the first alone: give the other routes of its own, or a path.`,
    );
  const redirectPath = new URL(redirectUri).pathname;
  // what is in front of the mount path is a prefix that a proxy removes
  if (!normalizePath(redirectPath).endsWith(normalizePath(answeredPath)))
    log.warn(
      `portalAuth() answers ${answeredPath}, but PORTAL_REDIRECT_URI (option redirectUri) leads to ${redirectPath}: a login would end with 404. Write an address that ends in ${answeredPath}, or mount portalAuth() elsewhere.`,
    );
}

/** Another one without a name, or with the same, that the request has met already. */
function findEarlierRouter(req: Request, name: string | undefined) {
  const portal = (name === undefined ? req.portal : req.portals?.[name]) as RequestPortal | undefined;
  const inside = portal && RequestPortal.internalsOf(portal);
  return inside?.router.settings.name === name ? inside : undefined;
}
