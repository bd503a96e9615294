import { createHmac, randomBytes } from "node:crypto";
import * as oidc from "openid-client";
import type { Portal } from "./discover.js";

/** What ties one login to one browser and to one code. Each of 256 bits, none of them tells another. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636, section 4.1. */
  readonly code_verifier: string;
}

/** 256 random bits: all that has to be kept of an attempt, which travels in a cookie beside those of other tabs. */
export const newSeed = (): string => randomBytes(32).toString("base64url");

/** The attempt that grows from a seed: HMAC-SHA256 is a pseudorandom function, so each part is as good as random. */
export function attemptOf(seed: string): Attempt {
  const derive = (name: string) => createHmac("sha256", seed).update(name).digest("base64url");
  return { state: derive("state"), nonce: derive("nonce"), code_verifier: derive("code_verifier") };
}

/** The address at the portal where this login goes on (RFC 6749, section 4.1.1; RFC 7636, section 4.3). */
export async function authorizationUrl(portal: Portal, attempt: Attempt, added: Record<string, string>): Promise<URL> {
  const { redirectUri: redirect_uri, scope, nonce } = portal.settings;
  return oidc.buildAuthorizationUrl(portal.configuration, {
    scope,
    ...added,
    redirect_uri,
    state: attempt.state,
    ...(nonce !== "off" && { nonce: attempt.nonce }),
    code_challenge: await oidc.calculatePKCECodeChallenge(attempt.code_verifier),
    code_challenge_method: "S256",
  });
}
