import { createHash, randomBytes } from "node:crypto";
import * as oidc from "openid-client";
import { sha256 } from "../util/sha256.js";
import type { Provider } from "./discovery.js";
import { replaceQueryParameters } from "./replace-query-parameters.js";

/** Binds a login to one browser and one code. Each has 256 bits, and none can be computed from another. */
export interface AttemptSecrets {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636, section 4.1. */
  readonly code_verifier: string;
}

/**
 * Creates the 256 random bits that all secrets of an attempt are derived from. Only the seed is saved,
 * because it is in a cookie, and each tab has one.
 */
export const createSeed = (): string => randomBytes(32).toString("base64url");

/**
 * Derives the secrets of an attempt from its seed, with SHAKE256. No secret reveals the seed or another one.
 */
export function deriveAttemptSecrets(seed: string): AttemptSecrets {
  const bytes = createHash("shake256", { outputLength: 96 }).update(seed).digest();
  return {
    state: bytes.toString("base64url", 0, 32),
    nonce: bytes.toString("base64url", 32, 64),
    code_verifier: bytes.toString("base64url", 64, 96),
  };
}

/**
 * Returns the URL of the authorization request at the provider (RFC 6749, section 4.1.1; RFC 7636, section
 * 4.3).
 *
 * @param added further parameters. They cannot replace those that protect the login
 */
export function buildAuthorizationUrl(
  provider: Provider,
  attempt: AttemptSecrets,
  added: Record<string, string>,
): URL {
  const { redirectUri: redirect_uri, clientId: client_id, scope, nonce } = provider.settings;
  const parameters = {
    scope,
    ...added,
    client_id,
    response_type: "code",
    redirect_uri,
    state: attempt.state,
    ...(nonce !== "off" && { nonce: attempt.nonce }),
    code_challenge: sha256(attempt.code_verifier), // RFC 7636, section 4.2
    code_challenge_method: "S256",
  };
  return replaceQueryParameters(oidc.buildAuthorizationUrl(provider.configuration, parameters), parameters);
}
