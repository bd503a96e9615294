import { logFailure } from "../answer/log.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { revokeToken } from "../provider/build-logout-url.js";
import type { RouterContext } from "./router-context.js";

type Token = string | undefined;

/** Why a token was not revoked; undefined if it was. */
export type RevocationFailure = PortalAuthError | undefined;

/** Revokes one refresh token at the provider. Resolves to the failure instead of rejecting. */
export async function tryToRevoke({ getProvider }: RouterContext, token: Token): Promise<RevocationFailure> {
  if (token === undefined) return undefined;
  try {
    await revokeToken(await getProvider(), token);
    return undefined;
  } catch (error) {
    return toPortalAuthError(error);
  }
}

/**
 * Revokes refresh tokens that no session uses any more, one after the other. Never rejects: all failures
 * together give one line in the log.
 *
 * @param started the outcome of a revocation that the caller has started itself
 */
export async function revokeTokens(
  router: RouterContext,
  tokens: Iterable<Token>,
  started?: Promise<RevocationFailure>,
): Promise<void> {
  const outcomes: RevocationFailure[] = [];
  for (const token of new Set(tokens)) outcomes.push(await tryToRevoke(router, token));
  outcomes.unshift(await started);
  const failures = outcomes.filter((outcome) => outcome !== undefined);
  const [first] = failures;
  if (!first) return;
  const { code, detail = "", providerDescription } = first;
  const count = failures.length > 1 ? `; ${failures.length} refresh tokens` : "";
  const failure = new PortalAuthError("revocation_failed", {
    detail: `${code}: ${detail}${count}`,
    providerDescription,
  });
  logFailure(router.log, failure);
}
