import { createHash } from "node:crypto";
import { decodeProtectedHeader } from "jose";
import { epochSeconds } from "../clock.js";
import { PortalAuthError } from "../errors.js";
import type { Settings } from "../settings.js";
import type { Claims } from "../tokens.js";

export interface IdTokenExpectations {
  readonly nonce: string;
  readonly access_token: string;
  readonly max_age?: number;
  readonly settings: Pick<Settings, "nonce" | "clientId" | "clockTolerance">;
}

/**
 * The checks of OpenID Connect Core 1.0, section 3.1.3.7, that openid-client leaves to its caller. It has seen to iss,
 * sub, aud, exp, nbf and the presence of iat; verifySignature to the signature.
 */
export function checkIdToken(claims: Claims, idToken: string, expected: IdTokenExpectations): void {
  const { clientId, clockTolerance, nonce: policy } = expected.settings;
  const now = epochSeconds();
  // section 2: a person has a name, of at most 255 characters
  if (claims.sub.length < 1 || claims.sub.length > 255) throw invalid("claim sub");
  // steps 4 and 5: openid-client looks at azp only where there are several audiences
  if (claims.azp !== undefined && claims.azp !== clientId) throw invalid("claim azp");
  // step 10: a token from the future; openid-client only wants a number
  if (typeof claims.iat !== "number" || claims.iat > now + clockTolerance) throw invalid("claim iat");
  // step 11
  if (!nonceHolds(policy, claims.nonce, expected.nonce)) throw new PortalAuthError("nonce_mismatch");
  // step 13: asked for, so it must be there
  if (expected.max_age !== undefined) {
    const { auth_time } = claims;
    const age = typeof auth_time === "number" ? now - auth_time : Number.NaN;
    if (!(age >= -clockTolerance && age <= expected.max_age + clockTolerance)) throw invalid("claim auth_time");
  }
  // section 3.1.3.8
  if (claims["at_hash"] !== undefined && claims["at_hash"] !== leftHalfHash(expected.access_token, idToken))
    throw invalid("claim at_hash");
}

function nonceHolds(policy: Settings["nonce"], received: unknown, sent: string): boolean {
  if (policy === "required") return received === sent;
  if (policy === "optional") return received === undefined || received === sent;
  return received === undefined; // none was sent
}

/** at_hash: the left half of the hash that belongs to the ID token's own algorithm. */
function leftHalfHash(accessToken: string, idToken: string): string {
  const { alg = "" } = decodeProtectedHeader(idToken);
  const size = alg.startsWith("Ed") ? "512" : alg.slice(-3); // EdDSA with Ed25519 hashes with SHA-512
  const hash = createHash(`sha${size}`).update(accessToken).digest();
  return hash.subarray(0, hash.length / 2).toString("base64url");
}

const invalid = (detail: string) => new PortalAuthError("id_token_invalid", { detail });
