import { PortalAuthError } from "./portal-auth-error.js";
import { redactError } from "./redact.js";

/**
 * Wraps an error that is not ours. Its causes may hold anything, so only its redacted description is kept.
 */
export const toPortalAuthError = (thrown: unknown): PortalAuthError =>
  thrown instanceof PortalAuthError
    ? thrown
    : new PortalAuthError("unexpected", { detail: redactError(thrown) });
