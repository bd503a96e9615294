import type { Request } from "express";

/**
 * The requests whose portalAuth() was chosen by choosePortalAuth(). Each tenant of such an app has its own
 * sessions, so the cookies of one tenant are not valid for another.
 */
export const multiTenantRequests: WeakSet<Request> = new WeakSet();
