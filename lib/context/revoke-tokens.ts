import { logFailure } from "../answer/log.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { asPortalAuthError } from "../errors/to-portal-auth-error.js";
import { revoke } from "../provider/end-provider-session.js";
import type { Parts } from "./router-context.js";

type Token = string | undefined;

/** Why a token was not revoked; undefined if it was. */
export type RevocationFailure = PortalAuthError | undefined;

/** Revokes one refresh token at the provider. Never rejects. */
export async function tryToRevoke({ getPortal }: Parts, token: Token): Promise<RevocationFailure> {
  if (token === undefined) return undefined;
  try {
    await revoke(await getPortal(), token);
    return undefined;
  } catch (error) {
    return asPortalAuthError(error);
  }
}

/**
 * Revokes refresh tokens that no session uses any more, one after the other. All failures together give one line in the
 * log and have no other effect.
 *
 * @param begun the outcome of a revocation that the caller has started itself
 */
export async function revokeQuietly(
  parts: Parts,
  tokens: Iterable<Token>,
  begun?: Promise<RevocationFailure>,
): Promise<void> {
  const outcomes: RevocationFailure[] = [];
  for (const token of new Set(tokens)) outcomes.push(await tryToRevoke(parts, token));
  outcomes.unshift(await begun);
  const failures = outcomes.filter((outcome) => outcome !== undefined);
  const [first] = failures;
  if (!first) return;
  const { code, detail = "", providerDescription } = first;
  const more = failures.length > 1 ? `; ${failures.length} refresh tokens` : "";
  const seen = `${code}: ${detail}${more}`;
  logFailure(parts.log, new PortalAuthError("revocation_failed", { detail: seen, providerDescription }));
}
