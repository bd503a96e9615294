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

/** Verifies that the provider signed a token. Rejects with `id_token_signature_invalid`, or why the keys are unknown. */
export type VerifySignature = (token: string) => Promise<void>;

export interface VerifierOptions {
  /** The accepted algorithms (RFC 7518, section 3.1). A token's own header never extends them. */
  readonly algorithms: readonly string[];
  readonly keys: SigningKeys;
  /** The client secret, for HS256, HS384 and HS512. No other algorithm uses it, and these use no published key. */
  readonly secret: string | undefined;
  readonly refetch: RefetchPolicy;
}

/**
 * Creates a verifier. If a token names an unknown key, or its signature does not match, the keys are fetched again before
 * the token is refused: providers rotate keys, and some keep the `kid`.
 */
export function createVerifier(options: VerifierOptions): VerifySignature {
  const { refetch, keys } = options;
  return async function verifySignature(token) {
    try {
      await verify(token, options).catch(async (error) => {
        const kid = readKid(token);
        if (!isAboutKeys(error, token) || !refetch.mayRefetch(kid, keys)) throw error;
        await keys.reload(refetch.failurePauseMs);
        await verify(token, options).catch((again) => {
          refetch.recordMiss(kid);
          throw again;
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

/** More than any provider publishes; a bound on the work that one token can cause. */
const MAX_KEYS_TRIED = 20;

/**
 * Tries one key after the other: a token may name no key, and a set may hold two of one name while keys rotate. jose has
 * skipped the unusable ones.
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

/** Whether other published keys could change the outcome. */
function isAboutKeys(error: unknown, token: string): boolean {
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
