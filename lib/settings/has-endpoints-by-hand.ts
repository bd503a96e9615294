import type { Settings } from "./settings.js";
import { isSymmetric } from "./signature-algorithms.js";

type Endpoints = Pick<Settings, "discoveryUrl" | "authorizationUrl" | "tokenUrl" | "jwksUrl" | "idTokenAlg">;

/** Decides whether the options name all endpoints that a login needs, and no discovery document: then none is fetched. */
export function hasEndpointsByHand(settings: Endpoints): boolean {
  const { discoveryUrl, authorizationUrl, tokenUrl, jwksUrl, idTokenAlg } = settings;
  if (discoveryUrl !== undefined || authorizationUrl === undefined || tokenUrl === undefined) return false;
  return jwksUrl !== undefined || isSymmetric(idTokenAlg);
}
