import { isSameIssuer } from "./is-same-issuer.js";
import { VARIABLES } from "./option-table.js";
import type { PortalAuthOptions } from "./options.js";

/** Whose variables speak of one portal and of the application's registration there. */
const OF_THE_PORTAL: readonly (keyof PortalAuthOptions)[] = [
  "discoveryUrl",
  "internalUrl",
  "allowedTenants",
  "profile",
  "clientId",
  "clientSecret",
  "clientAuth",
  "scope",
  "authorizationParams",
  "nonce",
  "idTokenAlg",
  "authorizationUrl",
  "tokenUrl",
  "jwksUrl",
  "userinfoUrl",
  "revocationUrl",
  "logoutUrl",
];

/** That a login is opened by another portal's client, or a secret sent to another portal, must not hang on a name misspelt. */
const MUST_BE_MEANT: readonly (keyof PortalAuthOptions)[] = [
  "issuer",
  "clientId",
  "clientSecret",
  "redirectUri",
];

/**
 * Why a variable does not count for an option that code has left out: where code names another portal, or another client,
 * than the environment does, what the environment says of its own is none of this one's. Undefined where it counts.
 */
export function whyNotRead(
  option: string,
  given: PortalAuthOptions,
  env: NodeJS.ProcessEnv,
): string | undefined {
  const isOf = OF_THE_PORTAL.includes(option as keyof PortalAuthOptions);
  const { issuer, clientId } = given;
  if (isOf && isAddress(issuer) && namesAnother(issuer, env[VARIABLES.issuer]))
    return `${variableOf(option)} belongs to ${VARIABLES.issuer}, and the option issuer names another portal: give ${option} in code as well`;
  if (option === "clientSecret" && differs(clientId, env[VARIABLES.clientId]))
    return `${variableOf(option)} belongs to ${VARIABLES.clientId}, and the option clientId names another client: give ${option} in code as well`;
  return undefined;
}

/** Whether an option stands in code as undefined, and its variable would take its place: what was read there is not there. */
export const isLeftOutByMistake = (option: string, given: PortalAuthOptions): boolean =>
  MUST_BE_MEANT.includes(option as keyof PortalAuthOptions) && Object.hasOwn(given, option);

/** What is none is wrong by itself. */
const isAddress = (value: unknown): boolean => typeof value === "string" && URL.canParse(value);

const differs = (value: unknown, variable: string | undefined): boolean =>
  typeof value === "string" && !!variable && value.trim() !== variable.trim();

const namesAnother = (issuer: unknown, variable: string | undefined): boolean =>
  typeof issuer === "string" && !!variable && !isSameIssuer(issuer.trim(), variable.trim());

const variableOf = (option: string): string => VARIABLES[option as keyof typeof VARIABLES];
