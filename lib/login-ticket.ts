import type { IncomingMessage } from "node:http";
import type { Claims, TokenSet } from "./tokens.js";

/** A login that a test wishes for: what a portal would have brought. */
export interface LoginTicket {
  readonly claims: Claims;
  readonly tokens: TokenSet;
  /** Set by the portalAuth() that took it. */
  isTaken: boolean;
}

/**
 * Tickets of requests that `express-portal-auth/testing` has made in this process, found by the request object itself:
 * nothing that comes over the network can bring one. Looked at by the callback's route alone.
 */
export const tickets = new WeakMap<IncomingMessage, LoginTicket>();

/** The paths at which a portalAuth() of this process is called back, as the outside sees them: where a ticket can be used. */
export const callbackPaths = new Set<string>();
