import type { Request } from "express";
import type { RequestLogin } from "./request-login.js";
import type { PortalAuthInstance } from "./session-holder.js";

/**
 * The base of `req.portal`. It holds the login of the request. The field is private, because applications log
 * what they find.
 */
export class AttachedLogin {
  readonly #login: RequestLogin | undefined;

  /** @param login undefined if the request has no session of express-session */
  constructor(login: RequestLogin | undefined) {
    this.#login = login;
  }

  /** @param attached what is at `req.portal`, where an application can have put something else */
  static getLogin(attached: unknown): RequestLogin | undefined {
    const isOurs = typeof attached === "object" && attached !== null && #login in attached;
    return isOurs ? attached.#login : undefined;
  }
}

/** The login of a request, as the last portalAuth() of this name has loaded it. */
export function getRequestLogin(req: Request, { name }: PortalAuthInstance): RequestLogin | undefined {
  const login = AttachedLogin.getLogin(name === undefined ? req.portal : req.portals?.[name]);
  const hasSameName = login?.storage.policy.name === name; // a named one can be at `req.portal`, too
  return hasSameName ? login : undefined;
}

/** All logins of a request. */
export const getRequestLogins = ({ portal, portals = {} }: Request): RequestLogin[] =>
  [portal, ...Object.values(portals)].flatMap((attached) => AttachedLogin.getLogin(attached) ?? []);
