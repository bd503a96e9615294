import { createHash, randomBytes } from "node:crypto";
import * as oidc from "openid-client";
import { sha256 } from "../util/sha256.js";
import type { Provider } from "./discovery.js";
import { replaceQueryParameters } from "./replace-query-parameters.js";

/** What ties one login to one browser and to one code. Each of 256 bits, none of them tells another. */
export interface AttemptSecrets {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636, section 4.1. */
  readonly code_verifier: string;
}

/** 256 random bits: all that has to be kept of an attempt, which travels in a cookie beside those of other tabs. */
export const createSeed = (): string => randomBytes(32).toString("base64url");

/** The attempt that grows from a seed: SHAKE256 makes as much of it as is needed, and no part tells of another. */
export function deriveAttemptSecrets(seed: string): AttemptSecrets {
  const bytes = createHash("shake256", { outputLength: 96 }).update(seed).digest();
  const [state, nonce, code_verifier] = [0, 32, 64].map((at) => bytes.toString("base64url", at, at + 32));
  return { state, nonce, code_verifier } as AttemptSecrets;
}

/** The address at the portal where this login goes on (RFC 6749, section 4.1.1; RFC 7636, section 4.3). */
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
