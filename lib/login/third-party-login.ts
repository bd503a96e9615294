import type { Request } from "express";
import { isTopLevelPage } from "../answer/client-kind.js";
import { redirect } from "../answer/redirect.js";
import { reloadViaInterstitial } from "../context/navigation-origin.js";
import { getOrigin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import { readFormOrThrow, readQuery } from "../http/parameters.js";
import { namesProvider } from "../provider/is-issuer-of-provider.js";
import { dropNewSession } from "../session/end-session.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { checkIsNavigation, startLogin } from "./login.js";
import { resolveReturnTo } from "./resolve-return-to.js";

type Step = (request: RequestContext) => Promise<void>;

/** Longer ones no proxy lets through, and no portal expects. */
const MAX_HINT_CHARACTERS = 1000;

/** The parameters of OpenID Connect Core 1.0, section 4. Any other is to be ignored. */
const PARAMETERS = ["iss", "login_hint", "target_link_uri"];

/**
 * GET /login where others may begin a login as well: what names an issuer is one of theirs. Who is logged in, where nobody
 * in particular is meant, is taken to the target at once; and whoever is here stays so until the portal has answered.
 *
 * @throws PortalAuthError `login_initiation_invalid`, `navigation_required`
 */
export function createThirdPartyLoginStep(router: RouterContext, begin: Step): Step {
  const { settings } = router;
  return async function login(request) {
    const { req, res } = request;
    const query = readQuery(req);
    if (!query.has("iss")) return begin(request);
    checkIsTopLevelPage(req);
    const { target, login_hint } = await parseThirdPartyLogin(router, query, request.mount);
    if (login_hint !== undefined)
      return startLogin(router, request, { returnTo: target, authorizationParams: { login_hint } });
    if (readSession(req, settings)) return redirect(res, 303, target);
    // a SameSite=Strict session has stayed away: they may well be logged in
    if (!isStrict(req, settings) || req.headers["sec-fetch-site"] !== "cross-site")
      return startLogin(router, request, { returnTo: target });
    dropNewSession(req, settings);
    await reloadViaInterstitial(router, req, res, toGetQuery(query));
  };
}

/**
 * POST /login, from another site: handed on to GET. A POST from there carries no SameSite=Lax cookie, and so shows neither
 * who is logged in nor which logins were begun already: a hostile page could heap up their cookies, unseen, until servers
 * refuse the header.
 *
 * @throws PortalAuthError `login_initiation_invalid`, `navigation_required`
 */
export function createThirdPartyPostStep(router: RouterContext): Step {
  return async function handOn({ req, res, mount }) {
    dropNewSession(req, router.settings); // the one of before is there all the same
    checkIsTopLevelPage(req);
    const form = await readFormOrThrow(req, "login_initiation_invalid");
    await parseThirdPartyLogin(router, form, mount);
    redirect(res, 303, toGetQuery(form));
  };
}

/** A frame would show the portal inside of whatever page: section 4 asks for a way out of frames. */
function checkIsTopLevelPage(req: Request): void {
  checkIsNavigation(req);
  if (!isTopLevelPage(req)) throw new PortalAuthError("navigation_required");
}

/** To the same address as the browser knows it: a proxy may have taken a prefix away. */
const toGetQuery = (given: URLSearchParams): string =>
  `?${new URLSearchParams([...given].filter(([name]) => PARAMETERS.includes(name)))}`;

/** What such a login is to be: at which portal, perhaps for whom, and where to go on, which is a path of this site. */
interface ThirdPartyLogin {
  readonly target: string;
  readonly login_hint: string | undefined;
}

async function parseThirdPartyLogin(
  router: RouterContext,
  given: URLSearchParams,
  mount: string,
): Promise<ThirdPartyLogin> {
  const repeated = PARAMETERS.find((name) => given.getAll(name).length > 1);
  if (repeated) throw createInitiationError(`${repeated} more than once`);
  const provider = await router.getProvider().catch(() => undefined);
  if (!namesProvider(provider, router.settings, given.get("iss")))
    throw createInitiationError("iss is not the provider's issuer");
  const login_hint = given.get("login_hint") || undefined; // one that is empty is none
  if (login_hint !== undefined && login_hint.length > MAX_HINT_CHARACTERS)
    throw createInitiationError("login_hint is too long");
  return { login_hint, target: toTargetPath(router, mount, given.get("target_link_uri")) };
}

/** As a path, where it is an address of this site; who else's it is, is nobody's business: the start page. */
function toTargetPath(router: RouterContext, mount: string, target: string | null): string {
  const home = getStartPage(router.settings, mount);
  const origin = getOrigin(router);
  if (target === null || !URL.canParse(target, origin)) return home;
  const { href } = new URL(target, origin);
  if (!href.startsWith(`${origin}/`)) return home;
  return resolveReturnTo(router.settings, mount, href.slice(origin.length));
}

const createInitiationError = (detail: string) => new PortalAuthError("login_initiation_invalid", { detail });
