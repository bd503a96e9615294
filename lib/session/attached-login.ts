import type { Request } from "express";
import type { RequestLogin } from "./request-login.js";
import type { PortalAuthInstance } from "./session-holder.js";

/**
 * The base class of `req.portal`. It holds the login of the request in a private field, because applications
 * log the members of `req.portal`.
 */
export class AttachedLogin {
  readonly #login: RequestLogin | undefined;

  /** @param login undefined if the request has no session of express-session */
  constructor(login: RequestLogin | undefined) {
    this.#login = login;
  }

  /**
   * Returns the login that a value holds. The value comes from `req.portal`, and an application can have
   * replaced that: the result is undefined then.
   */
  static getLogin(attached: unknown): RequestLogin | undefined {
    const isOurs = typeof attached === "object" && attached !== null && #login in attached;
    return isOurs ? attached.#login : undefined;
  }
}

/**
 * Returns the login of a request, as the last portalAuth() with this option `name` loaded it. The result is
 * undefined if no such portalAuth() ran, or if the request has no session of express-session. A result does
 * not mean that a user is signed in.
 */
export function getRequestLogin(req: Request, { name }: PortalAuthInstance): RequestLogin | undefined {
  const login = AttachedLogin.getLogin(name === undefined ? req.portal : req.portals?.[name]);
  // `req.portal` can belong to a portalAuth() with a name.
  const hasSameName = login?.storage.policy.name === name;
  return hasSameName ? login : undefined;
}

/** Returns the logins of a request, one for each portalAuth() that it has passed. */
export const getRequestLogins = ({ portal, portals = {} }: Request): RequestLogin[] =>
  [portal, ...Object.values(portals)].flatMap((attached) => AttachedLogin.getLogin(attached) ?? []);
