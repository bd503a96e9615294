import type { Request } from "express";
import type { RouterContext } from "./context/router-context.js";
import { normalizePath } from "./http/external-url.js";
import { RequestPortal } from "./request-portal.js";

/**
 * The number of times that each router was created during a request. A router that is created lazily counts
 * once.
 */
const createdDuringRequests = new Map<string, number>();

/**
 * Logs a warning if the application calls portalAuth() for every request. Each router has its own memory, so
 * no session is found again, and users end in a redirect loop.
 *
 * @param instance identifies the router: one request may create several
 */
export function warnIfCreatedPerRequest({ log }: RouterContext, instance: string): void {
  const times = (createdDuringRequests.get(instance) ?? 0) + 1;
  createdDuringRequests.set(instance, times);
  if (times === 2)
    log.warn(
      "portalAuth() is called for every request, so each router forgets the sessions of the others. " +
        "Call it once at start-up and pass the result to app.use().",
    );
}

/** Logs a warning if the first request shows that the router is mounted at the wrong path or twice. */
export function warnIfMountedWrongly({ settings, log }: RouterContext, req: Request): void {
  const { name, redirectUri, routes } = settings;
  const earlier = findEarlierRouter(req, name);
  if (earlier && name !== undefined)
    log.warn(`Two portalAuth() have the name ${name}: req.portals contains only the second.`);
  if (routes.callback === false) return;
  const answeredPath = req.baseUrl + routes.callback;
  const isSame = (one: string, other: string) => normalizePath(one) === normalizePath(other);
  if (earlier && isSame(earlier.request.mount + earlier.router.settings.routes.callback, answeredPath))
    log.warn(
      `Two portalAuth() handle ${answeredPath}, but only the first receives requests: ` +
        "give the second one other routes, or mount it at a path.",
    );
  const redirectPath = new URL(redirectUri).pathname;
  // A proxy may remove a prefix in front of the mount path, so only the end must match.
  if (!normalizePath(redirectPath).endsWith(normalizePath(answeredPath)))
    log.warn(
      `portalAuth() handles ${answeredPath}, but PORTAL_REDIRECT_URI (option redirectUri) leads to ` +
        `${redirectPath}: a login would end with 404. ` +
        `Set a URL that ends in ${answeredPath}, or mount portalAuth() elsewhere.`,
    );
}

/**
 * Returns the internals of another router with the same name, or also without one, that has handled the
 * request.
 */
function findEarlierRouter(req: Request, name: string | undefined) {
  const portal = (name === undefined ? req.portal : req.portals?.[name]) as RequestPortal | undefined;
  const internals = portal && RequestPortal.internalsOf(portal);
  return internals?.router.settings.name === name ? internals : undefined;
}
