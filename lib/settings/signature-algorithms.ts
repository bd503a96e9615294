/**
 * Algorithms with a key pair (RFC 7518, section 3.1; RFC 8037; RFC 9864). The provider's published keys
 * verify them.
 */
export const ASYMMETRIC_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

/**
 * Algorithms whose key is the client secret. They are accepted only if the option `idTokenAlg` names them.
 */
export const SYMMETRIC_ALGORITHMS = ["HS256", "HS384", "HS512"] as const;

/** The values of the option `idTokenAlg`. `none` is not among them. */
export const ID_TOKEN_ALGORITHMS = [...ASYMMETRIC_ALGORITHMS, ...SYMMETRIC_ALGORITHMS] as const;

export type IdTokenAlgorithm = (typeof ID_TOKEN_ALGORITHMS)[number];

/** Returns whether the key of an algorithm is the client secret; false for anything that is no algorithm. */
export const isSymmetric = (alg: unknown): boolean =>
  (SYMMETRIC_ALGORITHMS as readonly unknown[]).includes(alg);

/**
 * Returns the minimum length of the client secret in bytes, for an algorithm that uses it as a key. It is the
 * size of the hash (RFC 7518, section 3.2): a shorter secret can be guessed offline from one ID token.
 */
export const minimumSecretBytes = (alg: string): number => Number(alg.slice(2)) / 8;
