import type { IncomingMessage } from "node:http";
import type { SessionData } from "express-session";
import type { Claims, TokenSet } from "../contract/tokens.js";
import { getRegisteredMount, type RouteSettings } from "./external-url.js";

/** A login that a test creates without a provider. */
export interface TestLogin {
  readonly claims: Claims;
  /** portalAuth() fills in omitted members, with its own clock. */
  readonly tokens: Partial<TokenSet>;
  /** Further content of the session, as if the onLogin hook had added it. */
  readonly session: Partial<SessionData>;
  /** The option `name` of the portalAuth() that must take it; undefined for the first one that is called. */
  readonly instance: string | undefined;
  /** Set by the portalAuth() that took it. */
  isTaken: boolean;
  /** Why the portalAuth() could not take it. Set by that portalAuth(). */
  refusal?: string;
}

/**
 * The test logins of requests that `express-portal-auth/testing` has created in this process. The key is the
 * request object, so a request from the network cannot have one. Only the callback route reads them.
 */
export const testLogins = new WeakMap<IncomingMessage, TestLogin>();

/**
 * The paths at which a portalAuth() of this process may serve its callback, so that a test login can be used.
 */
export const callbackPaths = new Set<string>();

/**
 * Returns the paths at which the application may receive its callback: the path of redirectUri, then the same
 * path without its first segment, without two segments, and so on. A proxy may have removed these.
 */
export function findPossibleCallbackPaths(settings: RouteSettings): string[] {
  const { pathname } = new URL(settings.redirectUri);
  const mount = getRegisteredMount(settings)?.split("/") ?? [];
  return [
    pathname,
    ...mount.slice(1).map((_segment, index) => joinCallbackPath(mount.slice(index + 2), settings)),
  ];
}

const joinCallbackPath = (segments: readonly string[], { routes }: Pick<RouteSettings, "routes">): string =>
  [...segments.map((segment) => `/${segment}`), routes.callback].join("");
