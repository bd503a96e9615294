import type { Request } from "express";

/** Requests whose portalAuth() was chosen among several: what one of these keeps is nothing to another. */
export const chosenRequests: WeakSet<Request> = new WeakSet();
