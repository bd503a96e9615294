import { isSameIssuer } from "./is-same-issuer.js";
import type { OptionVariable } from "./option-record.js";
import { VARIABLES } from "./option-table.js";
import type { PortalAuthOptions } from "./portal-auth-options.js";

/**
 * Returns why the variable of an option that code omits is ignored; undefined if it is used. The reason
 * depends on the variable's scope:
 *
 * - "shared": it is always used.
 * - "provider": it is ignored if code names another issuer than PORTAL_ISSUER.
 * - "client": it is ignored in that case, and if code names another client than PORTAL_CLIENT_ID.
 *
 * Otherwise a secret would be sent to the wrong provider. If the environment names no issuer or client, there
 * is no other one.
 */
export function explainIgnoredVariable(
  option: string,
  { name, scope }: OptionVariable,
  given: PortalAuthOptions,
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (scope === "shared") return undefined;
  if (isOtherIssuer(given.issuer, env[VARIABLES.issuer]))
    return (
      `${name} belongs to ${VARIABLES.issuer}, but the option issuer names another provider: ` +
      `set ${option} in code as well`
    );
  if (scope === "client" && isOtherClient(given.clientId, env[VARIABLES.clientId]))
    return (
      `${name} belongs to ${VARIABLES.clientId}, but the option clientId names another client: ` +
      `set ${option} in code as well`
    );
  return undefined;
}

/** An invalid issuer in code is reported as such, so it does not count as another one. */
const isOtherIssuer = (issuer: unknown, variable: string | undefined): boolean =>
  typeof issuer === "string" &&
  URL.canParse(issuer) &&
  !!variable &&
  !isSameIssuer(issuer.trim(), variable.trim());

const isOtherClient = (clientId: unknown, variable: string | undefined): boolean =>
  typeof clientId === "string" && !!variable && clientId.trim() !== variable.trim();
