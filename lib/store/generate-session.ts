import type { Request } from "express";
import type { Store } from "express-session";

/**
 * Gives a request a new session. The stored session does not change. express-session adds this method to its
 * store, and its types omit it.
 */
export function generateSession(store: Store, req: Request): void {
  (store as unknown as { generate(req: Request): void }).generate(req);
}
