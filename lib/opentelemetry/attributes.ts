import type { Attributes } from "@opentelemetry/api";
import type { PortalAuthEvent } from "../events.js";

/** What every span and every measurement carries: which portalAuth(), and at which portal. */
export function attributesOf({ instance, issuer }: PortalAuthEvent): Attributes {
  const { hostname, port, protocol } = new URL(issuer);
  return {
    "portal_auth.instance": instance,
    // General attributes of the semantic conventions
    "server.address": hostname,
    "server.port": Number(port) || (protocol === "https:" ? 443 : 80),
  };
}

/** What becomes of many logins although nothing is wrong: people change their minds, and prompt=none asks in vain. */
const ORDINARY: readonly string[] = ["login_denied", "login_refused", "interaction_needed"];

export const isError = (code: string): boolean => !ORDINARY.includes(code);

/** How it ended: `ok` or the failure's code; and error.type where something is wrong. */
export const outcomeOf = (code: string | undefined): Attributes => ({
  "portal_auth.outcome": code ?? "ok",
  ...(code !== undefined && isError(code) && { "error.type": code }),
});
