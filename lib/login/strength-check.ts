import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { RequiredStrength } from "../login-attempt/login-strength.js";
import { getGraceAfterLogin } from "../provider/max-age-grace.js";
import type { PortalSession } from "../session/login-record.js";
import type { Settings } from "../settings/settings.js";
import { omitUndefined } from "../util/omit-undefined.js";

/** Returns an error if the login of a session is too weak or too old; undefined if it is sufficient. */
export type StrengthCheck = (session: PortalSession, settings: Settings) => PortalAuthError | undefined;

/**
 * Creates a check of a session's login against the required strength. Returns undefined if nothing is
 * required. If the ID token had no `acr` or `auth_time`, the check of that claim fails.
 */
export function createStrengthCheck(required: RequiredStrength): StrengthCheck | undefined {
  const { acr, maxAge } = required;
  if (acr === undefined && maxAge === undefined) return undefined;
  return function checkStrength(session, { clock, clockTolerance }) {
    if (acr && !acr.includes(session.authentication?.acr ?? "")) return createStrengthError(required, "acr");
    if (maxAge === undefined) return undefined;
    const isRecent = getAuthenticationAge(session, clock) <= maxAge + getGraceAfterLogin(clockTolerance);
    return isRecent ? undefined : createStrengthError(required, "auth_time");
  };
}

/**
 * Returns how long ago the user authenticated at the provider, in seconds; NaN if the provider did not send
 * `auth_time`. The session stores the age at the time of the login, and the time since then is added.
 * `started_at - auth_time` would compare two clocks. If they differed, a new login could be too old at once,
 * and the browser would be in a redirect loop.
 */
function getAuthenticationAge({ authentication, started_at }: PortalSession, clock: Clock): number {
  const { auth_age = Number.NaN } = authentication ?? {};
  return auth_age + Math.max(0, clock() / 1000 - started_at);
}

/** Creates the error with the challenge of RFC 9470, section 3. */
function createStrengthError({ acr, maxAge }: RequiredStrength, claim: string): PortalAuthError {
  const challenge = omitUndefined({
    error: "insufficient_user_authentication",
    error_description:
      claim === "acr" ? "A stronger authentication is required" : "A more recent authentication is required",
    acr_values: acr?.join(" "),
    max_age: maxAge === undefined ? undefined : String(maxAge),
  });
  return new PortalAuthError("insufficient_user_authentication", { detail: `claim ${claim}`, challenge });
}
