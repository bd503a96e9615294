import { areNames, NAME, split } from "../util/split-on-spaces.js";

/** How strong a login must be, settled. What comes back is held against it: a portal may ignore the wish. */
export interface RequiredStrength {
  /** One of these, the first is the one that is preferred. */
  readonly acr?: readonly string[];
  /** In seconds. */
  readonly maxAge?: number;
}

/** How strong a login must be. */
export interface LoginStrength {
  /**
   * How strongly the person must authenticate: one of these `acr` values, whose meaning the portal gives, in order of
   * preference; in a text they are separated by spaces. Asked for as `acr_values` (OpenID Connect Core 1.0, section
   * 3.1.2.1), and looked for in the ID token: a login without it is refused. Default: any.
   */
  readonly acr?: string | readonly string[];
  /**
   * How long ago the person may have authenticated at the portal, in seconds. Asked for as `max_age`, and held against
   * `auth_time` in the ID token: a login without it is refused. Give or take `clockTolerance`, 10 at least, and 10 for the
   * way back: 0 means "just now". Default: any time.
   */
  readonly maxAge?: number;
}

/**
 * A demand that is there without a value is a slip (`roles: config.adminRole`), and no wish to let everybody pass.
 *
 * @throws TypeError for the first of them
 */
export function rejectUndefined<Name extends string>(
  where: string,
  given: { readonly [name in Name]?: unknown },
  names: readonly Name[],
): void {
  const undefinedName = names.find((name) => name in given && given[name] === undefined);
  if (undefinedName !== undefined)
    throw new TypeError(
      `${where}: ${undefinedName} is undefined: see to what it is read from, or leave it out`,
    );
}

/**
 * What is wanted, once it is seen that it can be asked for.
 *
 * @throws TypeError for what no portal could be asked for
 */
export function resolveLoginStrength(where: string, given: LoginStrength): RequiredStrength {
  rejectUndefined(where, given, ["acr", "maxAge"]);
  const { acr, maxAge } = given;
  if (maxAge !== undefined && !(Number.isFinite(maxAge) && maxAge >= 0))
    throw new TypeError(`${where}: maxAge must be a number of seconds, 0 or more`);
  const values = acr === undefined ? undefined : split(acr);
  if (values !== undefined && !(areNames(values, NAME) && isShort(values)))
    throw new TypeError(
      `${where}: acr must be a name that the portal gives, or a list of them, not empty, 512 characters at most`,
    );
  return { ...(values && { acr: [...values] }), ...(maxAge !== undefined && { maxAge: Math.floor(maxAge) }) };
}

/** It travels in the cookie of a login too, beside a returnTo of up to 2000 and other logins. */
const MAX_ACR_CHARACTERS = 512;

const isShort = (values: readonly string[]): boolean => values.join(" ").length <= MAX_ACR_CHARACTERS;

/** For a page's script that was told by a 401 how strong a login must be. What cannot be understood is no wish. */
export function parseStrengthQuery(query: URLSearchParams): LoginStrength {
  const [maxAge, acr] = [query.get("max_age"), query.get("acr_values")];
  return {
    ...(maxAge !== null && /^\d{1,9}$/.test(maxAge) && { maxAge: Number(maxAge) }),
    ...(acr !== null && areNames(split(acr), NAME) && isShort([acr]) && { acr }),
  };
}

/** The same as it stands in that address. */
export const toStrengthQuery = ({ acr, maxAge }: LoginStrength): Record<string, string> => ({
  ...(acr !== undefined && { acr_values: [acr].flat().join(" ") }),
  ...(maxAge !== undefined && { max_age: String(maxAge) }),
});
