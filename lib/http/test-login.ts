import type { IncomingMessage } from "node:http";
import type { SessionData } from "express-session";
import type { Claims, TokenSet } from "../contract/tokens.js";
import type { Settings } from "../settings/settings.js";
import { getRegisteredMount } from "./external-url.js";

/** A login that a test wishes for: what a portal would have brought. */
export interface TestLogin {
  readonly claims: Claims;
  /** What is left out is made up by the portalAuth() that takes it, by its own clock. */
  readonly tokens: Partial<TokenSet>;
  /** What else shall be in the session, as if the onLogin hook had put it there. */
  readonly session: Partial<SessionData>;
  /** The name of the portalAuth() that shall take it; undefined for whichever is asked. */
  readonly instance: string | undefined;
  /** Set by the portalAuth() that took it. */
  isTaken: boolean;
  /** Set by one that would have, and may not: why. */
  refusal?: string;
}

/**
 * Tickets of requests that `express-portal-auth/testing` has made in this process, found by the request
 * object itself: nothing that comes over the network can bring one. Looked at by the callback's route
 * alone.
 */
export const testLogins = new WeakMap<IncomingMessage, TestLogin>();

/** The paths at which a portalAuth() of this process may answer the callback: where a ticket can be used. */
export const callbackPaths = new Set<string>();

/**
 * Returns the paths at which the application may see its callback: the path of redirectUri, then what
 * remains of it if a proxy removes one leading segment, two, and so on.
 */
export function findPossibleCallbackPaths(settings: Pick<Settings, "redirectUri" | "routes">): string[] {
  const { pathname } = new URL(settings.redirectUri);
  const mount = getRegisteredMount(settings)?.split("/") ?? [];
  return [
    pathname,
    ...mount.slice(1).map((_segment, index) => joinCallbackPath(mount.slice(index + 2), settings)),
  ];
}

const joinCallbackPath = (segments: readonly string[], { routes }: Pick<Settings, "routes">): string =>
  [...segments.map((segment) => `/${segment}`), routes.callback].join("");
