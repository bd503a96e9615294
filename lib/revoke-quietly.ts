import { logFailure } from "./answer/log.js";
import { PortalAuthError } from "./errors.js";
import type { Parts } from "./parts.js";
import { revoke } from "./portal/log-out.js";

/** Ends, at the portal, a refresh token that nobody will use any more. That this failed is logged, and no more. */
export async function revokeQuietly({ getPortal, log }: Parts, token: string | undefined): Promise<void> {
  if (token === undefined) return;
  try {
    await revoke(await getPortal(), token);
  } catch (error) {
    const { code, detail = "", providerDescription } = error as PortalAuthError;
    logFailure(log, new PortalAuthError("revocation_failed", { detail: `${code}: ${detail}`, providerDescription }));
  }
}
