import { PortalAuthError } from "../errors.js";
import type { StrengthWanted } from "../login/strength.js";
import type { PortalSession } from "../session/stored.js";
import type { Settings } from "../settings/settings.js";

/** Why a login is too weak or too old; undefined when it will do. */
export type WeaknessOf = (session: PortalSession, settings: Settings) => PortalAuthError | undefined;

/** The way back from the portal takes a moment: who has just authenticated has done so now. */
const WAY_BACK_SECONDS = 10;

/** Undefined where nothing is demanded. What the portal does not tell (`acr`, `auth_time`) is not there. */
export function weaknessBy(wanted: StrengthWanted): WeaknessOf | undefined {
  const { acr, maxAge } = wanted;
  if (acr === undefined && maxAge === undefined) return undefined;
  return function weaknessOf({ authentication = {} }, { clock, clockTolerance }) {
    if (acr && !acr.includes(authentication.acr ?? "")) return tooWeak(wanted, "acr");
    if (maxAge === undefined) return undefined;
    const { auth_time = Number.NaN } = authentication;
    const isYoung = clock() / 1000 - auth_time <= maxAge + Math.max(clockTolerance, WAY_BACK_SECONDS);
    return isYoung ? undefined : tooWeak(wanted, "auth_time");
  };
}

/** RFC 9470, section 3. */
function tooWeak({ acr, maxAge }: StrengthWanted, claim: string): PortalAuthError {
  const challenge = {
    error: "insufficient_user_authentication",
    error_description:
      claim === "acr" ? "A stronger authentication is required" : "A more recent authentication is required",
    ...(acr && { acr_values: acr.join(" ") }),
    ...(maxAge !== undefined && { max_age: String(maxAge) }),
  };
  return new PortalAuthError("insufficient_user_authentication", { detail: `claim ${claim}`, challenge });
}
