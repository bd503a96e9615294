import type { Request } from "express";
import type { Instance } from "./holder.js";
import type { RequestLogin } from "./request-login.js";

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
  static loginOf(attached: unknown): RequestLogin | undefined {
    const isOurs = typeof attached === "object" && attached !== null && #login in attached;
    return isOurs ? attached.#login : undefined;
  }
}

/** The login of a request, as the last portalAuth() of this name has loaded it. */
export function loginOf(req: Request, { name }: Instance): RequestLogin | undefined {
  const login = AttachedLogin.loginOf(name === undefined ? req.portal : req.portals?.[name]);
  const isOfThisName = login?.place.rules.name === name; // a named one can be at `req.portal`, too
  return isOfThisName ? login : undefined;
}

/** All logins of a request. */
export const loginsOf = ({ portal, portals = {} }: Request): RequestLogin[] =>
  [portal, ...Object.values(portals)].flatMap((attached) => AttachedLogin.loginOf(attached) ?? []);
