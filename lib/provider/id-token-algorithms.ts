import { ASYMMETRIC_ALGORITHMS, type IdTokenAlgorithm } from "../settings/signature-algorithms.js";

const DEFAULT = "RS256";

/**
 * Returns the algorithms that an ID token or a logout token may be signed with. A provider signs each client's tokens with
 * one algorithm, which the client registers; RS256 if it registers none (OpenID Connect Dynamic Client Registration 1.0,
 * section 2). If the provider does not announce RS256, any announced asymmetric algorithm may be the registered one.
 *
 * @param chosen The option `idTokenAlg`
 * @param announced The document's id_token_signing_alg_values_supported
 */
export function resolveIdTokenAlgorithms(
  chosen: IdTokenAlgorithm | undefined,
  announced: unknown,
): readonly string[] {
  if (chosen !== undefined) return [chosen];
  const list: unknown[] = Array.isArray(announced) && announced.length > 0 ? announced : [DEFAULT];
  return list.includes(DEFAULT) ? [DEFAULT] : filterAsymmetric(list);
}

/**
 * Returns the algorithms that a userinfo answer may be signed with: those of ID tokens, and the asymmetric ones that the
 * provider announces for userinfo, as the two are registered separately (userinfo_signed_response_alg).
 */
export function resolveUserInfoAlgorithms(
  forIdTokens: readonly string[],
  announced: unknown,
): readonly string[] {
  return [...new Set([...forIdTokens, ...(Array.isArray(announced) ? filterAsymmetric(announced) : [])])];
}

const filterAsymmetric = (announced: readonly unknown[]): string[] =>
  ASYMMETRIC_ALGORITHMS.filter((alg) => announced.includes(alg));
