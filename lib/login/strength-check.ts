import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { RequiredStrength } from "../login-attempt/login-strength.js";
import { graceAfterLogin } from "../provider/max-age-grace.js";
import type { PortalSession } from "../session/login-record.js";
import type { Settings } from "../settings/settings.js";

/** Why a login is too weak or too old; undefined when it will do. */
export type StrengthCheck = (session: PortalSession, settings: Settings) => PortalAuthError | undefined;

/** Undefined where nothing is demanded. What the portal does not tell (`acr`, `auth_time`) is not there. */
export function createStrengthCheck(required: RequiredStrength): StrengthCheck | undefined {
  const { acr, maxAge } = required;
  if (acr === undefined && maxAge === undefined) return undefined;
  return function weaknessOf(session, { clock, clockTolerance }) {
    if (acr && !acr.includes(session.authentication?.acr ?? "")) return createStrengthError(required, "acr");
    if (maxAge === undefined) return undefined;
    const isYoung = getAuthenticationAge(session, clock) <= maxAge + graceAfterLogin(clockTolerance);
    return isYoung ? undefined : createStrengthError(required, "auth_time");
  };
}

/**
 * How long ago the user has authenticated, in seconds; NaN if the provider did not say it. The age at the login is kept with
 * the login, and the time since then is added. `started_at - auth_time` would compare two clocks at every request: where
 * they differ, a login that has just been made would be too old, again and again.
 */
function getAuthenticationAge({ authentication, started_at }: PortalSession, clock: Clock): number {
  const { auth_age = Number.NaN } = authentication ?? {};
  return auth_age + Math.max(0, clock() / 1000 - started_at);
}

/** RFC 9470, section 3. */
function createStrengthError({ acr, maxAge }: RequiredStrength, claim: string): PortalAuthError {
  const challenge = {
    error: "insufficient_user_authentication",
    error_description:
      claim === "acr" ? "A stronger authentication is required" : "A more recent authentication is required",
    ...(acr && { acr_values: acr.join(" ") }),
    ...(maxAge !== undefined && { max_age: String(maxAge) }),
  };
  return new PortalAuthError("insufficient_user_authentication", { detail: `claim ${claim}`, challenge });
}
