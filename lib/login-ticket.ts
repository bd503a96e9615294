import type { IncomingMessage } from "node:http";
import type { SessionData } from "express-session";
import type { Claims, TokenSet } from "./tokens.js";

/** A login that a test wishes for: what a portal would have brought. */
export interface LoginTicket {
  readonly claims: Claims;
  /** What is left out is made up by the portalAuth() that takes it, by its own clock. */
  readonly tokens: Partial<TokenSet>;
  /** What else shall be in the session, as if the onLogin hook had put it there. */
  readonly session: Partial<SessionData>;
  /** The name of the portalAuth() that shall take it; undefined for whichever is asked. */
  readonly portal: string | undefined;
  /** Set by the portalAuth() that took it. */
  isTaken: boolean;
  /** Set by one that would have, and may not: why. */
  refusal?: string;
}

/**
 * Tickets of requests that `express-portal-auth/testing` has made in this process, found by the request object itself:
 * nothing that comes over the network can bring one. Looked at by the callback's route alone.
 */
export const tickets = new WeakMap<IncomingMessage, LoginTicket>();

/** The paths at which a portalAuth() of this process is called back, as the outside sees them: where a ticket can be used. */
export const callbackPaths = new Set<string>();
