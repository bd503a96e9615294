import type { Attributes } from "@opentelemetry/api";
import type { PortalAuthEvent } from "../contract/events.js";
import { isExpectedOutcome } from "../errors/error-codes.js";

/** What every span and every measurement carries: which portalAuth(), and at which portal. */
export function createAttributes({ instance, issuer }: PortalAuthEvent): Attributes {
  const { hostname, port, protocol } = new URL(issuer);
  return {
    "portal_auth.instance": instance,
    // General attributes of the semantic conventions
    "server.address": hostname,
    "server.port": Number(port) || (protocol === "https:" ? 443 : 80),
  };
}

/** How it ended: `ok` or the failure's code; and error.type where something is wrong. */
export const createOutcomeAttributes = (code: string | undefined): Attributes => ({
  "portal_auth.outcome": code ?? "ok",
  ...(code !== undefined && !isExpectedOutcome(code) && { "error.type": code }),
});
