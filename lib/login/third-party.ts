import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import { readForm } from "../parameters.js";
import { originOf, type Parts } from "../parts.js";

/** What such a login is to be. */
export interface InitiatedLogin {
  readonly returnTo: string;
  readonly authorizationParams?: { readonly login_hint: string };
}

/** Longer ones no proxy lets through, and no portal expects. */
const LONGEST_HINT = 1000;

/** The parameters of OpenID Connect Core 1.0, section 4. */
const PARAMETERS = ["iss", "login_hint", "target_link_uri"] as const;

/** @throws PortalAuthError `login_initiation_invalid` */
export const readInitiation = (req: Request): Promise<URLSearchParams> =>
  readForm(req).catch((error: PortalAuthError) => {
    throw invalid(error.detail ?? "the form");
  });

/** Whether somebody else's site has led here for a login. */
export const isInitiated = (given: URLSearchParams): boolean => given.has("iss");

/**
 * What a login is to be that somebody else's site has begun (OpenID Connect Core 1.0, section 4). It says at which portal,
 * perhaps for whom, and where to go on: only to an address of this site.
 *
 * @throws PortalAuthError `login_initiation_invalid`
 */
export function initiatedLogin(parts: Parts, given: URLSearchParams): InitiatedLogin {
  const repeated = PARAMETERS.find((name) => given.getAll(name).length > 1);
  if (repeated) throw invalid(`${repeated} more than once`);
  if (given.get("iss") !== parts.settings.issuer) throw invalid("iss is not PORTAL_ISSUER");
  const login_hint = given.get("login_hint") || undefined;
  if (login_hint !== undefined && login_hint.length > LONGEST_HINT) throw invalid("login_hint is too long");
  return {
    returnTo: pathOf(originOf(parts), given.get("target_link_uri")),
    ...(login_hint !== undefined && { authorizationParams: { login_hint } }),
  };
}

/** As a path, where it is an address of this site; who else's it is, is nobody's business: the start page. */
function pathOf(origin: string, target: string | null): string {
  if (target === null || !URL.canParse(target, origin)) return "/";
  const { href } = new URL(target, origin);
  return href.startsWith(`${origin}/`) ? href.slice(origin.length) : "/";
}

const invalid = (detail: string) => new PortalAuthError("login_initiation_invalid", { detail });
