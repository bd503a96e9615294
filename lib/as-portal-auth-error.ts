import { PortalAuthError } from "./errors.js";
import { outline } from "./outline.js";

/** Errors that are not ours may carry anything in their causes, so only their outline is taken over. */
export const asPortalAuthError = (thrown: unknown): PortalAuthError =>
  thrown instanceof PortalAuthError ? thrown : new PortalAuthError("unexpected", { detail: outline(thrown) });
