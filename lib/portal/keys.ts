import { type CryptoKey, compactVerify, createRemoteJWKSet, customFetch, errors } from "jose";
import { PortalAuthError } from "../errors.js";
import { isBusy, networkFailure, type PortalFetch } from "./http.js";

/** The signature algorithms that are ever accepted: asymmetric ones, so that neither a secret nor "none" signs in anybody. */
const ASYMMETRIC = [
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
];

/** Checks that a token was signed by the portal; throws `id_token_signature_invalid`, or what kept the keys from being read. */
export type VerifySignature = (token: string) => Promise<void>;

/**
 * Keys are remembered for ten minutes. A token that names an unknown key, or does not fit the one that it names,
 * has them fetched anew before it is refused: portals rotate keys, some without renaming them.
 *
 * @param cooldownMs how long they are not fetched again then. 0 for the portal's own token answers; for tokens that a
 *   stranger may have sent it keeps them from causing fetches
 */
export function createVerifier(
  jwksUri: string,
  announced: unknown,
  fetch: PortalFetch,
  cooldownMs = 0,
): VerifySignature {
  const algorithms = acceptedAlgorithms(announced);
  const read = notAgainAtOnce(
    (url: string, headers: Headers) => readKeySet(fetch, url, headers),
    Math.min(cooldownMs, FAILED_COOLDOWN_MS),
  );
  const keys = createRemoteJWKSet(new URL(jwksUri), {
    cacheMaxAge: 10 * 60 * 1000,
    cooldownDuration: cooldownMs,
    [customFetch]: async (url, { headers }) => Response.json({ keys: await read(url, headers) }),
  });
  const verify = (token: string) =>
    compactVerify(token, keys, { algorithms }).catch((error) => {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return verifyByAny(error, (key) => compactVerify(token, key, { algorithms }));
    });
  return async function verifySignature(token) {
    try {
      await verify(token).catch(async (error) => {
        if (!(error instanceof errors.JWSSignatureVerificationFailed) || keys.coolingDown) throw error;
        await keys.reload();
        await verify(token);
      });
    } catch (error) {
      if (error instanceof PortalAuthError) throw error;
      const detail = error instanceof errors.JOSEError ? error.code : "a key that cannot be used";
      throw new PortalAuthError("id_token_signature_invalid", { detail });
    }
  };
}

/** jose's own cooldown begins with keys that have come; a portal whose keys fail is not to be asked by strangers either. */
const FAILED_COOLDOWN_MS = 5000;

/** Lets work that has failed fail in the same way for so long. */
function notAgainAtOnce<Given extends unknown[], Result>(
  work: (...given: Given) => Promise<Result>,
  cooldownMs: number,
): (...given: Given) => Promise<Result> {
  let failed: { readonly error: unknown; readonly until: number } | undefined;
  return async function workOrWait(...given) {
    if (failed && performance.now() < failed.until) throw failed.error;
    return work(...given).catch((error) => {
      failed = { error, until: performance.now() + cooldownMs };
      throw error;
    });
  };
}

/** Of the algorithms that the portal announces. */
export function acceptedAlgorithms(announced: unknown): string[] {
  const metadata = Array.isArray(announced) ? announced : ["RS256"]; // OpenID Connect Core 1.0, section 2: the default
  return ASYMMETRIC.filter((alg) => metadata.includes(alg));
}

/**
 * A token that names no key, or a set that has two of one name (while keys rotate, some portals' have): any key that fits
 * may have made the signature. Those that cannot be used have been left out by then.
 */
async function verifyByAny(keys: AsyncIterable<CryptoKey>, verify: (key: CryptoKey) => Promise<unknown>) {
  for await (const key of keys) {
    const isIts = await verify(key).then(
      () => true,
      () => false,
    );
    if (isIts) return;
  }
  throw new errors.JWSSignatureVerificationFailed();
}

function parse(text: string): KeySet {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type KeySet = { keys?: unknown; Keys?: unknown } | undefined;

/**
 * The keys, of what can be understood. The portal's documentation spells the member `Keys` in its sample and `keys` in its
 * table (RFC 7517, section 5: `keys`).
 */
export async function readKeySet(fetch: PortalFetch, url: string, headers: Headers): Promise<object[]> {
  const response = await fetch(url, { headers });
  if (isBusy(response.status))
    throw new PortalAuthError("portal_failed", { detail: `the keys answered ${response.status}` });
  const text = await response.text().catch((error) => {
    throw networkFailure(error, "the keys");
  });
  const set = response.status === 200 ? parse(text) : undefined;
  const keys = set?.keys ?? set?.Keys;
  if (!Array.isArray(keys))
    throw new PortalAuthError("portal_answer_invalid", { detail: "the keys are not a JWK set" });
  return keys.filter(isKey).map(understood);
}

/** RFC 7517, section 5: what is not understood in a set is ignored; for jose one such member spoils the set. */
const isKey = (member: unknown): member is object =>
  typeof member === "object" && member !== null && !Array.isArray(member);

/** Of a key likewise: what says how to check a signature is a text, or a list of texts (RFC 7517, section 4; RFC 7518, section 6). */
const understood = (key: object): object =>
  Object.fromEntries(
    Object.entries(key).filter(([, value]) => [value].flat().every((part) => typeof part === "string")),
  );
