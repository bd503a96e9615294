import { PortalAuthError } from "../errors/portal-auth-error.js";

/**
 * Wraps a failure of the store. Other failures of this package are returned unchanged, unless they need a
 * sentence for the user.
 *
 * @param operation the operation of the store, as one verb
 * @param sentence for the user
 */
export function wrapStoreFailure(operation: string, cause: unknown, sentence?: string): PortalAuthError {
  const isOurs = cause instanceof PortalAuthError;
  if (isOurs && cause.code !== "session_store_failed" && sentence === undefined) return cause;
  const detail = isOurs ? `${operation}: ${cause.detail}` : operation;
  return new PortalAuthError("session_store_failed", { detail, cause, ...(sentence && { sentence }) });
}
