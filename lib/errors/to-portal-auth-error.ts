import { PortalAuthError } from "./portal-auth-error.js";
import { redactError } from "./redact.js";

/**
 * Wraps any other error as `unexpected`. It may contain anything, so only its redacted description is used.
 */
export const toPortalAuthError = (thrown: unknown): PortalAuthError =>
  thrown instanceof PortalAuthError
    ? thrown
    : new PortalAuthError("unexpected", { detail: redactError(thrown) });
