import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { checkAuthorizationParams } from "./check-authorization-params.js";
import { createProblem, getDisplayName, type OptionProblem } from "./option-problems.js";
import { VARIABLES, type ValidOptions } from "./option-table.js";
import type { Routes } from "./portal-auth-options.js";
import { isSymmetric, minimumSecretBytes } from "./signature-algorithms.js";

/**
 * Returns the problems that can be found only after each option is valid by itself:
 *
 * - The callback route is on, and the redirect URI does not end in its path.
 * - `tlsTerminated` is on, and the redirect URI is not https.
 * - Two routes have the same path.
 * - An option is on whose route is off: see NEEDED_ROUTES.
 * - `idTokenAlg` uses the client secret as its key, and the secret is too short or `clientAuth` is "none".
 * - `authorizationParams` is an object with a reserved parameter or an invalid value. A function is checked
 *   when it is called.
 */
export function findConflicts(options: ValidOptions, routes: Routes): OptionProblem[] {
  const { redirectUri, tlsTerminated } = options;
  const problems: OptionProblem[] = [];
  if (routes.callback !== false && !new URL(redirectUri).pathname.endsWith(routes.callback))
    problems.push(
      createConflict("redirectUri", `write a URL that ends in ${routes.callback}, or set routes.callback`),
    );
  if (tlsTerminated && !redirectUri.startsWith("https:"))
    problems.push(
      createConflict("tlsTerminated", `remove it, or write an https URL in ${VARIABLES.redirectUri}`),
    );
  const paths = Object.values(routes).filter((path) => path !== false);
  if (new Set(paths).size < paths.length)
    problems.push(createConflict("routes", "write a different path for each route"));
  problems.push(
    ...findMissingRoutes(options),
    ...findWeakKey(options),
    ...findReservedParameter(options.authorizationParams),
  );
  return problems;
}

const createConflict = (option: string, advice: string): OptionProblem =>
  createProblem(option, getDisplayName(option), advice);

/**
 * Returns a problem if no client secret is written, unless `clientAuth` is "none". Returns an empty list if
 * the option `clientSecret` already has a problem.
 */
export function findMissingClientSecret(
  written: Readonly<Record<string, unknown>>,
  problems: readonly OptionProblem[],
): OptionProblem[] {
  if (written["clientSecret"] || written["clientAuth"] === "none") return [];
  if (problems.some(({ option }) => option === "clientSecret")) return [];
  const advice =
    "write the client_secret that the provider shows for your application, " +
    `or set ${VARIABLES.clientAuth}=none for a client without a secret`;
  return [createProblem("clientSecret", `${getDisplayName("clientSecret")} is missing`, advice)];
}

/** The route that each of these options uses: without it the option would have no effect. */
const NEEDED_ROUTES = {
  backchannelLogout: "backchannelLogout",
  frontchannelLogout: "frontchannelLogout",
  silentLogin: "callback",
  thirdPartyLogin: "login",
  sessionClaims: "session",
} as const;

/** Returns a problem for each option of NEEDED_ROUTES that is on while its route is off. */
function findMissingRoutes(options: ValidOptions): OptionProblem[] {
  const { routes } = options;
  return (Object.keys(NEEDED_ROUTES) as (keyof typeof NEEDED_ROUTES)[]).flatMap((option) => {
    const route = NEEDED_ROUTES[option];
    const given = options[option];
    const isRouteOff = routes[route] === false || (route === "session" && routes[route] === undefined);
    const isOptionOff = given === false || (Array.isArray(given) && given.length === 0);
    if (!isRouteOff || isOptionOff) return [];
    const advice = `set routes.${route} to a path, or omit this option: it has no effect without that route`;
    return [createConflict(option, advice)];
  });
}

/**
 * Finds a client secret that is too short for an algorithm that uses it as its key (RFC 7518, section 3.2).
 */
function findWeakKey({ idTokenAlg, clientAuth, clientSecret = "" }: ValidOptions): OptionProblem[] {
  if (!isSymmetric(idTokenAlg)) return [];
  const least = minimumSecretBytes(String(idTokenAlg));
  if (clientAuth !== "none" && Buffer.byteLength(clientSecret) >= least) return [];
  const advice =
    `${idTokenAlg} needs a client secret of at least ${least} bytes: ` +
    "let the provider issue a longer one, or register RS256";
  return [createConflict("idTokenAlg", advice)];
}

/** Finds a parameter that an application cannot set. Functions are checked when they are called. */
function findReservedParameter(params: ValidOptions["authorizationParams"]): OptionProblem[] {
  if (typeof params === "function") return [];
  try {
    checkAuthorizationParams(params);
    return [];
  } catch (error) {
    return [createConflict("authorizationParams", (error as PortalAuthError).message)];
  }
}
