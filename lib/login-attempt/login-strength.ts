import { omitUndefined } from "../util/omit-undefined.js";
import { isNameList, SPACE_SEPARATED_NAME, splitOnSpaces } from "../util/split-on-spaces.js";

/**
 * How strong a login must be, after validation. The callback compares the ID token with it, because a
 * provider may ignore what the authorization request requires.
 */
export interface RequiredStrength {
  /** The ID token must have one of these values. The first is preferred. */
  readonly acr?: readonly string[];
  /** In whole seconds. */
  readonly maxAge?: number;
}

/** How strong a login must be. */
export interface LoginStrength {
  /**
   * How the user must authenticate: one of these `acr` values, in order of preference. The provider defines
   * their meaning. In a string they are separated by spaces. They are sent as `acr_values` (OpenID Connect
   * Core 1.0, section 3.1.2.1). A login whose ID token has none of them is rejected. Default: any.
   */
  readonly acr?: string | readonly string[];
  /**
   * How long ago the user may have authenticated at the provider, in seconds. It is sent as `max_age`, and
   * compared with `auth_time` in the ID token. A login without `auth_time` is rejected. The tolerance is
   * `clockTolerance`, at least 10 s, plus 10 s for the redirect, so 0 means "just now". Default: any time.
   */
  readonly maxAge?: number;
}

/**
 * Rejects options that are present but undefined. Such an option is a mistake (`roles: config.adminRole`),
 * and must not mean that the requirement is dropped.
 *
 * @param where the function that was called, for the message
 * @throws TypeError for the first such option
 */
export function rejectUndefined<Name extends string>(
  where: string,
  given: { readonly [name in Name]?: unknown },
  names: readonly Name[],
): void {
  const undefinedName = names.find((name) => name in given && given[name] === undefined);
  if (undefinedName !== undefined)
    throw new TypeError(
      `${where}: ${undefinedName} is undefined. Check the value that you pass, or omit the option.`,
    );
}

/**
 * Validates the options of a login's strength, and returns them in one form: `acr` as a list, and `maxAge` in
 * whole seconds. Omitted options stay omitted.
 *
 * @param where The function that was called, for the message.
 * @throws TypeError in these cases:
 *   - An option is present but undefined.
 *   - `maxAge` is no number of at least 0.
 *   - `acr` is empty, invalid, or over 512 characters long.
 */
export function resolveLoginStrength(where: string, given: LoginStrength): RequiredStrength {
  rejectUndefined(where, given, ["acr", "maxAge"]);
  const { acr, maxAge } = given;
  if (maxAge !== undefined && !(Number.isFinite(maxAge) && maxAge >= 0))
    throw new TypeError(`${where}: maxAge must be a number of seconds, 0 or more`);
  const values = acr === undefined ? undefined : splitOnSpaces(acr);
  if (values !== undefined && !(isNameList(values, SPACE_SEPARATED_NAME) && isShort(values)))
    throw new TypeError(
      `${where}: acr must be a value that the provider defines, or a list of such values, ` +
        `not empty, and with ${MAX_ACR_CHARACTERS} characters at most`,
    );
  return omitUndefined({
    acr: values && [...values],
    maxAge: maxAge === undefined ? undefined : Math.floor(maxAge),
  });
}

/**
 * The values are stored in the login's cookie, beside a returnTo of up to 2,000 characters and other logins.
 */
const MAX_ACR_CHARACTERS = 512;

const isShort = (values: readonly string[]): boolean => values.join(" ").length <= MAX_ACR_CHARACTERS;

/**
 * Parses the strength in the query of the login route. A page's script puts it there after a 401 that
 * requires a stronger login. Invalid values are ignored. It throws nothing.
 */
export function parseStrengthQuery(query: URLSearchParams): LoginStrength {
  const maxAge = query.get("max_age");
  const acr = query.get("acr_values");
  const isValidMaxAge = maxAge !== null && /^\d{1,9}$/.test(maxAge);
  const isValidAcr = acr !== null && isNameList(splitOnSpaces(acr), SPACE_SEPARATED_NAME) && isShort([acr]);
  return omitUndefined({
    maxAge: isValidMaxAge ? Number(maxAge) : undefined,
    acr: isValidAcr ? acr : undefined,
  });
}

/** Returns the query parameters that parseStrengthQuery() parses: `acr_values` and `max_age`, if set. */
export const toStrengthQuery = ({ acr, maxAge }: LoginStrength): Record<string, string> =>
  omitUndefined({
    acr_values: acr === undefined ? undefined : [acr].flat().join(" "),
    max_age: maxAge === undefined ? undefined : String(maxAge),
  });
