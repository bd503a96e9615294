import type { Request } from "express";
import { isOwnPage } from "../answer/client.js";
import { redirect } from "../answer/redirect.js";
import { bounce } from "../context/navigation-origin.js";
import { originOf, type Parts, type Visit } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { startPage } from "../http/external-url.js";
import { formOr, readQuery } from "../http/parameters.js";
import { namesProvider } from "../provider/is-issuer-of-provider.js";
import { dropNewSession } from "../session/end-session.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { landingPage } from "./landing-page.js";
import { beginLogin, checkNavigates } from "./login.js";

type Step = (visit: Visit) => Promise<void>;

/** Longer ones no proxy lets through, and no portal expects. */
const LONGEST_HINT = 1000;

/** The parameters of OpenID Connect Core 1.0, section 4. Any other is to be ignored. */
const PARAMETERS = ["iss", "login_hint", "target_link_uri"];

/**
 * GET /login where others may begin a login as well: what names an issuer is one of theirs. Who is logged in, where nobody
 * in particular is meant, is taken to the target at once; and whoever is here stays so until the portal has answered.
 *
 * @throws PortalAuthError `login_initiation_invalid`, `navigation_required`
 */
export function unlessInitiated(parts: Parts, begin: Step): Step {
  const { settings } = parts;
  return async function login(visit) {
    const { req, res } = visit;
    const query = readQuery(req);
    if (!query.has("iss")) return begin(visit);
    checkIsPage(req);
    const { target, login_hint } = await readInitiation(parts, query, visit.mount);
    if (login_hint !== undefined)
      return beginLogin(parts, visit, { returnTo: target, authorizationParams: { login_hint } });
    if (readSession(req, settings)) return redirect(res, 303, target);
    // a SameSite=Strict session has stayed away: they may well be logged in
    if (!isStrict(req, settings) || req.headers["sec-fetch-site"] !== "cross-site")
      return beginLogin(parts, visit, { returnTo: target });
    dropNewSession(req, settings);
    await bounce(parts, req, res, sameByGet(query));
  };
}

/**
 * POST /login, from another site: handed on to GET. A POST from there carries no SameSite=Lax cookie, and so shows neither
 * who is logged in nor which logins were begun already: a hostile page could heap up their cookies, unseen, until servers
 * refuse the header.
 *
 * @throws PortalAuthError `login_initiation_invalid`, `navigation_required`
 */
export function initiatedByPost(parts: Parts): Step {
  return async function handOn({ req, res, mount }) {
    dropNewSession(req, parts.settings); // the one of before is there all the same
    checkIsPage(req);
    const form = await formOr(req, "login_initiation_invalid");
    await readInitiation(parts, form, mount);
    redirect(res, 303, sameByGet(form));
  };
}

/** A frame would show the portal inside of whatever page: section 4 asks for a way out of frames. */
function checkIsPage(req: Request): void {
  checkNavigates(req);
  if (!isOwnPage(req)) throw new PortalAuthError("navigation_required");
}

/** To the same address as the browser knows it: a proxy may have taken a prefix away. */
const sameByGet = (given: URLSearchParams): string =>
  `?${new URLSearchParams([...given].filter(([name]) => PARAMETERS.includes(name)))}`;

/** What such a login is to be: at which portal, perhaps for whom, and where to go on, which is a path of this site. */
interface Initiation {
  readonly target: string;
  readonly login_hint: string | undefined;
}

async function readInitiation(parts: Parts, given: URLSearchParams, mount: string): Promise<Initiation> {
  const repeated = PARAMETERS.find((name) => given.getAll(name).length > 1);
  if (repeated) throw invalid(`${repeated} more than once`);
  const portal = await parts.getPortal().catch(() => undefined);
  if (!namesProvider(portal, parts.settings, given.get("iss")))
    throw invalid("iss is not the provider's issuer");
  const login_hint = given.get("login_hint") || undefined; // one that is empty is none
  if (login_hint !== undefined && login_hint.length > LONGEST_HINT) throw invalid("login_hint is too long");
  return { login_hint, target: pathOf(parts, mount, given.get("target_link_uri")) };
}

/** As a path, where it is an address of this site; who else's it is, is nobody's business: the start page. */
function pathOf(parts: Parts, mount: string, target: string | null): string {
  const home = startPage(parts.settings, mount);
  const origin = originOf(parts);
  if (target === null || !URL.canParse(target, origin)) return home;
  const { href } = new URL(target, origin);
  if (!href.startsWith(`${origin}/`)) return home;
  return landingPage(parts.settings, mount, href.slice(origin.length));
}

const invalid = (detail: string) => new PortalAuthError("login_initiation_invalid", { detail });
