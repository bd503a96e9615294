import type { Request } from "express";

/**
 * The requests whose portalAuth() choosePortalAuth() has chosen. The sessions of one tenant do not count for
 * another.
 */
export const multiTenantRequests: WeakSet<Request> = new WeakSet();
