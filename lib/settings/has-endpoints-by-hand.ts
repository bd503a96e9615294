import type { Settings } from "./settings.js";
import { isSymmetric } from "./signature-algorithms.js";

type Endpoints = Pick<Settings, "discoveryUrl" | "authorizationUrl" | "tokenUrl" | "jwksUrl" | "idTokenAlg">;

/**
 * Returns whether the options set every endpoint that a login needs, without a discovery document. Then none
 * is fetched.
 */
export function hasEndpointsByHand(settings: Endpoints): boolean {
  const { discoveryUrl, authorizationUrl, tokenUrl, jwksUrl, idTokenAlg } = settings;
  if (discoveryUrl !== undefined || authorizationUrl === undefined || tokenUrl === undefined) return false;
  return jwksUrl !== undefined || isSymmetric(idTokenAlg);
}
