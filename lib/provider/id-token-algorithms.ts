import { ASYMMETRIC_ALGORITHMS, type IdTokenAlgorithm } from "../settings/signature-algorithms.js";

const DEFAULT = "RS256";

/**
 * Returns the accepted signature algorithms of ID tokens and logout tokens. A provider signs the tokens of a
 * client with one algorithm, which the client registers. The default is RS256 (OpenID Connect Dynamic Client
 * Registration 1.0, section 2). If the provider does not announce RS256, any announced asymmetric algorithm
 * may be the registered one.
 *
 * @param chosen the option `idTokenAlg`
 * @param announced the document's id_token_signing_alg_values_supported
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
 * Returns the accepted signature algorithms of userinfo responses: those of ID tokens, and the asymmetric
 * ones that the provider announces for userinfo. A client registers the two separately
 * (userinfo_signed_response_alg).
 */
export function resolveUserInfoAlgorithms(
  forIdTokens: readonly string[],
  announced: unknown,
): readonly string[] {
  const forUserInfo = Array.isArray(announced) ? filterAsymmetric(announced) : [];
  return [...new Set([...forIdTokens, ...forUserInfo])];
}

const filterAsymmetric = (announced: readonly unknown[]): string[] =>
  ASYMMETRIC_ALGORITHMS.filter((alg) => announced.includes(alg));
