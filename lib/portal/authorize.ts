import * as oidc from "openid-client";
import { PortalAuthError } from "../errors.js";
import type { AuthorizationParams } from "../options.js";
import type { Portal } from "./discover.js";

/** What ties one login to one browser and to one code. Each of 256 random bits. */
export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  /** RFC 7636, section 4.1. */
  readonly code_verifier: string;
}

export function newAttempt(): Attempt {
  return { state: oidc.randomState(), nonce: oidc.randomNonce(), code_verifier: oidc.randomPKCECodeVerifier() };
}

/** Names that an application cannot add: they are the protection itself, or (request, request_uri) could replace it. */
const RESERVED: readonly string[] = [
  "state",
  "nonce",
  "code_challenge",
  "code_challenge_method",
  "redirect_uri",
  "client_id",
  "client_secret",
  "response_type",
  "request",
  "request_uri",
];

/** Checks what the application wants to add; throws `authorization_params_invalid`. */
export function checkAuthorizationParams(params: AuthorizationParams): Record<string, string> {
  const given = Object.entries(params).filter(([, value]) => value !== undefined);
  const added = Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
  const reserved = Object.keys(added).find((name) => RESERVED.includes(name));
  if (reserved) throw new PortalAuthError("authorization_params_invalid", { detail: `${reserved} cannot be set` });
  const { response_mode = "query", scope = "openid", max_age = "0" } = added;
  if (response_mode !== "query" && response_mode !== "form_post")
    throw new PortalAuthError("authorization_params_invalid", { detail: "response_mode" });
  if (!scope.split(/\s+/).includes("openid"))
    throw new PortalAuthError("authorization_params_invalid", { detail: "scope" });
  if (!/^\d+$/.test(max_age)) throw new PortalAuthError("authorization_params_invalid", { detail: "max_age" });
  return added;
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
