import type { Request } from "express";
import type { LoginState } from "./login-state.js";
import type { PortalAuthInstance } from "./session-holder.js";

/**
 * The base class of `req.portal`. It holds the login state of the request in a private field, because
 * applications log the members of `req.portal`.
 */
export class AttachedLogin {
  readonly #state: LoginState | undefined;

  /** @param state undefined if the request has no session of express-session */
  constructor(state: LoginState | undefined) {
    this.#state = state;
  }

  /**
   * Returns the login state that a value of `req.portal` holds. The result is undefined if an application has
   * replaced the value by its own, or if the request has no session of express-session.
   */
  static getLoginState(attached: unknown): LoginState | undefined {
    const isOurs = typeof attached === "object" && attached !== null && #state in attached;
    return isOurs ? attached.#state : undefined;
  }
}

/**
 * Returns the login state of a request, as the last portalAuth() with this option `name` created it. A result
 * does not mean that a user is signed in.
 *
 * @returns undefined if no such portalAuth() ran, or if the request has no session of express-session
 */
export function getLoginState(req: Request, { name }: PortalAuthInstance): LoginState | undefined {
  const state = AttachedLogin.getLoginState(name === undefined ? req.portal : req.portals?.[name]);
  // `req.portal` can belong to a portalAuth() with a name.
  const hasSameName = state?.storage.policy.name === name;
  return hasSameName ? state : undefined;
}

/**
 * Returns the login states that `req.portal` and `req.portals` hold. A portalAuth() that the request passed
 * without a session of express-session has none. If `req.portal` belongs to a portalAuth() with a name, its
 * state is returned twice.
 */
export const getLoginStates = ({ portal, portals = {} }: Request): LoginState[] =>
  [portal, ...Object.values(portals)].flatMap((attached) => AttachedLogin.getLoginState(attached) ?? []);
