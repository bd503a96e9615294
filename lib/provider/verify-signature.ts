import {
  type CompactJWSHeaderParameters,
  type CryptoKey,
  compactVerify,
  decodeProtectedHeader,
  errors,
  type FlattenedJWSInput,
} from "jose";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSymmetric } from "../settings/signature-algorithms.js";
import { toPrintable } from "./explain-failure.js";
import type { RefetchPolicy } from "./refetch-policy.js";
import type { SigningKeys } from "./signing-keys.js";

/**
 * Verifies that the provider signed a token. Rejects with `id_token_signature_invalid`, or why the keys are
 * unknown.
 */
export type VerifySignature = (token: string) => Promise<void>;

export interface VerifierOptions {
  /** The accepted algorithms (RFC 7518, section 3.1). The header of a token never extends them. */
  readonly algorithms: readonly string[];
  readonly keys: SigningKeys;
  /**
   * The client secret, for HS256, HS384 and HS512. No other algorithm uses it, and these use no published
   * key.
   */
  readonly secret: string | undefined;
  readonly refetch: RefetchPolicy;
}

/**
 * Creates a verifier. If a token names an unknown key, or its signature does not match, the keys are fetched
 * again before the token is rejected. Providers rotate keys, and some reuse the `kid`.
 */
export function createVerifier(options: VerifierOptions): VerifySignature {
  const { refetch, keys } = options;
  return async function verifySignature(token) {
    try {
      await verify(token, options).catch(async (error) => {
        const kid = readKid(token);
        if (!canNewKeysHelp(error, token) || !refetch.mayRefetch(kid, keys)) throw error;
        await keys.reload(refetch.failurePauseMs);
        await verify(token, options).catch((secondError) => {
          refetch.recordMiss(kid);
          throw secondError;
        });
        refetch.recordSuccess(kid);
      });
    } catch (error) {
      if (error instanceof PortalAuthError) throw error;
      throw new PortalAuthError("id_token_signature_invalid", {
        detail: describeFailure(error, token, options),
      });
    }
  };
}

function verify(token: string, { algorithms, keys, secret, refetch }: VerifierOptions): Promise<unknown> {
  const accepted = { algorithms: [...algorithms] };
  const keyFor = (header: CompactJWSHeaderParameters, input: FlattenedJWSInput) =>
    isSymmetric(header.alg)
      ? new TextEncoder().encode(secret ?? "")
      : keys.find(header, input, refetch.failurePauseMs);
  return compactVerify(token, keyFor, accepted).catch((error) => {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    return verifyWithAnyKey(error, (key) => compactVerify(token, key, accepted));
  });
}

/** Limits the work that one token can cause. No provider publishes so many keys. */
const MAX_KEYS_TRIED = 20;

/**
 * Tries one key after the other. A token may name no key, and during a rotation a set may contain two keys
 * with the same `kid`. jose has skipped the unusable ones.
 */
async function verifyWithAnyKey(
  keys: AsyncIterable<CryptoKey>,
  verifyWith: (key: CryptoKey) => Promise<unknown>,
) {
  let tried = 0;
  for await (const key of keys) {
    tried += 1;
    if (tried > MAX_KEYS_TRIED) break;
    const isSigner = await verifyWith(key).then(
      () => true,
      () => false,
    );
    if (isSigner) return;
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** Returns whether other keys could change the result. */
function canNewKeysHelp(error: unknown, token: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  return error instanceof errors.JWSSignatureVerificationFailed && !isSymmetric(decodeHeader(token).alg);
}

function readKid(token: string): string {
  const { kid } = decodeHeader(token);
  return typeof kid === "string" ? kid.slice(0, 255) : "";
}

function decodeHeader(token: string): ReturnType<typeof decodeProtectedHeader> {
  try {
    return decodeProtectedHeader(token);
  } catch {
    return {};
  }
}

function describeFailure(error: unknown, token: string, { algorithms }: VerifierOptions): string {
  if (error instanceof errors.JOSEAlgNotAllowed)
    return `${error.code}: ${describeAlgorithm(token, algorithms)}`;
  return error instanceof errors.JOSEError ? error.code : "a key that cannot be used";
}

function describeAlgorithm(token: string, algorithms: readonly string[]): string {
  const { alg } = decodeHeader(token);
  return `the token is signed with ${toPrintable(String(alg))}, expected ${algorithms.join(" or ")}`;
}
