import { PortalAuthError } from "../errors/portal-auth-error.js";

/**
 * Parameters that an application cannot set. Some protect the login; `request` and `request_uri` could
 * replace those.
 */
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

/**
 * Returns the parameters that an application adds to the authorization request, as text. Values that are
 * neither text nor a finite number are omitted: they may come from a query, which attackers can fill with
 * lists.
 *
 * @throws PortalAuthError `authorization_params_invalid` for a reserved parameter, or for an invalid
 *   `response_mode`, `scope` or `max_age`
 */
export function checkAuthorizationParams(params: Readonly<Record<string, unknown>>): Record<string, string> {
  const reserved = Object.keys(params).find((name) => RESERVED.includes(name));
  if (reserved) throw invalid(`${reserved} cannot be set`);
  const given = Object.entries(params).filter(
    ([, value]) => typeof value === "string" || Number.isFinite(value),
  );
  const added = Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
  const { response_mode = "query", scope = "openid", max_age = "0" } = added;
  if (response_mode !== "query" && response_mode !== "form_post") throw invalid("response_mode");
  if (!hasOpenid(scope)) throw invalid("scope");
  if (!/^\d+$/.test(max_age)) throw invalid("max_age");
  return added;
}

/** Returns whether a scope contains `openid`. Without it the provider issues no ID token. */
export const hasOpenid = (scope: string): boolean => scope.split(/\s+/).includes("openid");

const invalid = (detail: string) => new PortalAuthError("authorization_params_invalid", { detail });
