import type { Request } from "express";
import type { Store } from "express-session";

/**
 * Puts a new session in place of that of a request, and leaves the stored one alone. express-session adds this method to its
 * store, and its types omit it.
 */
export function generateSession(store: Store, req: Request): void {
  (store as unknown as { generate(req: Request): void }).generate(req);
}
