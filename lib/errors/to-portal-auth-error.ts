import { PortalAuthError } from "./portal-auth-error.js";
import { describeError } from "./redact.js";

/** Wraps an error that is not ours. Its causes may hold anything, so only its redacted description is kept. */
export const asPortalAuthError = (thrown: unknown): PortalAuthError =>
  thrown instanceof PortalAuthError
    ? thrown
    : new PortalAuthError("unexpected", { detail: describeError(thrown) });
