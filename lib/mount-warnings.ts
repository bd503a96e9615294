import type { Request } from "express";
import type { Parts } from "./context/router-context.js";
import { comparablePath } from "./http/external-url.js";
import { RequestPortal } from "./request-portal.js";

/** How often each was made while a request was under way: the lazy one of a tenant once, one by mistake each time. */
const madeByRequests = new Map<string, number>();

/**
 * Whoever makes a portalAuth() for each request keeps the sessions of none, and people go round in circles.
 *
 * @param instance tells those apart that a request may make
 */
export function lookAtMaking({ log }: Parts, instance: string): void {
  const times = (madeByRequests.get(instance) ?? 0) + 1;
  madeByRequests.set(instance, times);
  if (times === 2)
    log.warn(
      "portalAuth() is called for each request: what one keeps in memory the next does not know. Call it once, when the app starts, and hand what it gives to app.use().",
    );
}

/** What cannot be seen before a request comes by, and would end in a bare 404 or in logins that nobody finds. */
export function lookAtMount({ settings, log }: Parts, req: Request): void {
  const { name, redirectUri, routes } = settings;
  const first = firstOfName(req, name);
  if (first && name !== undefined)
    log.warn(`Two portalAuth() are called ${name}: req.portals knows the second alone.`);
  if (routes.callback === false) return;
  const answered = req.baseUrl + routes.callback;
  const isSame = (one: string, other: string) => comparablePath(one) === comparablePath(other);
  if (first && isSame(first.visit.mount + first.parts.settings.routes.callback, answered))
    log.warn(
      `Two portalAuth() answer ${answered}, which is the first alone: give the other routes of its own, or a path.`,
    );
  const asked = new URL(redirectUri).pathname;
  // what is in front of the mount path is a prefix that a proxy removes
  if (!comparablePath(asked).endsWith(comparablePath(answered)))
    log.warn(
      `portalAuth() answers ${answered}, but PORTAL_REDIRECT_URI (option redirectUri) leads to ${asked}: a login would end with 404. Write an address that ends in ${answered}, or mount portalAuth() elsewhere.`,
    );
}

/** Another one without a name, or with the same, that the request has met already. */
function firstOfName(req: Request, name: string | undefined) {
  const portal = (name === undefined ? req.portal : req.portals?.[name]) as RequestPortal | undefined;
  const inside = portal && RequestPortal.insideOf(portal);
  return inside?.parts.settings.name === name ? inside : undefined;
}
