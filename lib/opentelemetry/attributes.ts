import type { Attributes } from "@opentelemetry/api";
import type { PortalAuthEvent } from "../contract/events.js";
import { isExpectedOutcome } from "../errors/error-codes.js";

/** Returns the attributes of every span and every measurement: the portalAuth() and its provider. */
export function createAttributes({ instance, issuer }: PortalAuthEvent): Attributes {
  const { hostname, port, protocol } = new URL(issuer);
  return {
    "portal_auth.instance": instance,
    // General attributes of the semantic conventions
    "server.address": hostname,
    "server.port": Number(port) || (protocol === "https:" ? 443 : 80),
  };
}

/** Returns the outcome, `ok` or an error code. Adds `error.type` unless the code is an expected outcome. */
export const createOutcomeAttributes = (code: string | undefined): Attributes => ({
  "portal_auth.outcome": code ?? "ok",
  ...(code !== undefined && !isExpectedOutcome(code) && { "error.type": code }),
});
