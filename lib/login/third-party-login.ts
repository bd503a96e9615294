import type { Request } from "express";
import { isTopLevelPage } from "../answer/client-kind.js";
import { redirect } from "../answer/redirect.js";
import { reloadViaInterstitial } from "../context/navigation-origin.js";
import { getOrigin, type RequestContext, type RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getStartPage } from "../http/external-url.js";
import { readFormOrThrow, readQuery } from "../http/parameters.js";
import { isIssuerOfProvider } from "../provider/is-issuer-of-provider.js";
import { discardNewSession } from "../session/end-session.js";
import { readSession } from "../session/request-session.js";
import { isSameSiteStrict } from "../session/session-cookie.js";
import { checkIsNavigation, startLogin } from "./login.js";
import { resolveReturnTo } from "./resolve-return-to.js";

// Login initiation by a third party (OpenID Connect Core 1.0, section 4): another site may send the user to
// /login with the issuer, and perhaps with a hint and a target.

type Step = (request: RequestContext) => Promise<void>;

/** Proxies reject longer URLs, and no provider expects a longer hint. */
const MAX_HINT_CHARACTERS = 1000;

/** The parameters of section 4. Any other parameter is ignored. */
const PARAMETERS = ["iss", "login_hint", "target_link_uri"];

/**
 * Creates the handler of GET /login if other sites may start a login. A request without `iss` is passed to
 * `ownLogin`. If the request has a hint, a login starts. Without a hint, a signed-in user is redirected to
 * the target, and any other user signs in. The session stays until the provider has signed the user in.
 *
 * The handler throws PortalAuthError `login_initiation_invalid` for invalid parameters, `navigation_required`
 * for a frame or a request that loads no page, and the errors of startLogin().
 */
export function createThirdPartyLoginStep(router: RouterContext, ownLogin: Step): Step {
  const { settings } = router;
  return async function thirdPartyLogin(request) {
    const { req, res } = request;
    const query = readQuery(req);
    if (!query.has("iss")) return ownLogin(request);
    checkIsTopLevelPage(req);
    const { target, login_hint } = await parseThirdPartyLogin(router, query, request.mount);
    if (login_hint !== undefined)
      return startLogin(router, request, { returnTo: target, authorizationParams: { login_hint } });
    if (readSession(req, settings)) return redirect(res, 303, target);
    // Browsers omit a SameSite=Strict cookie if another site leads here, so the user may be signed in.
    if (!isSameSiteStrict(req, settings) || req.headers["sec-fetch-site"] !== "cross-site")
      return startLogin(router, request, { returnTo: target });
    discardNewSession(req, settings);
    await reloadViaInterstitial(router, req, res, toGetQuery(query));
  };
}

/**
 * Creates the handler of POST /login, which redirects a form of another site to GET /login. The POST of
 * another site carries no SameSite=Lax cookies. Without them it is unknown who is signed in and which logins
 * have started. A hostile page could start logins in the background until the browser has so many cookies
 * that servers reject its requests.
 *
 * The handler throws PortalAuthError `login_initiation_invalid` or `navigation_required`.
 */
export function createThirdPartyPostStep(router: RouterContext): Step {
  return async function redirectToGet({ req, res, mount }) {
    discardNewSession(req, router.settings); // the browser still has the cookie of its previous session
    checkIsTopLevelPage(req);
    const form = await readFormOrThrow(req, "login_initiation_invalid");
    await parseThirdPartyLogin(router, form, mount);
    redirect(res, 303, toGetQuery(form));
  };
}

/**
 * Rejects frames: any page could show the provider inside of itself, and section 4 requires to prevent that.
 */
function checkIsTopLevelPage(req: Request): void {
  checkIsNavigation(req);
  if (!isTopLevelPage(req)) throw new PortalAuthError("navigation_required");
}

/** Returns the parameters as a relative URL, because a proxy may have removed a prefix from the path. */
const toGetQuery = (given: URLSearchParams): string =>
  `?${new URLSearchParams([...given].filter(([name]) => PARAMETERS.includes(name)))}`;

interface ThirdPartyLogin {
  /** The path of this site that the user goes to after the login. */
  readonly target: string;
  /** Identifies the user at the provider. */
  readonly login_hint: string | undefined;
}

/** @throws PortalAuthError `login_initiation_invalid` */
async function parseThirdPartyLogin(
  router: RouterContext,
  given: URLSearchParams,
  mount: string,
): Promise<ThirdPartyLogin> {
  const repeated = PARAMETERS.find((name) => given.getAll(name).length > 1);
  if (repeated) throw createInitiationError(`${repeated} more than once`);
  const provider = await router.getProvider().catch(() => undefined);
  if (!isIssuerOfProvider(provider, router.settings, given.get("iss")))
    throw createInitiationError("iss is not the provider's issuer");
  const login_hint = given.get("login_hint") || undefined; // an empty hint counts as missing
  if (login_hint !== undefined && login_hint.length > MAX_HINT_CHARACTERS)
    throw createInitiationError("login_hint is too long");
  return { login_hint, target: toTargetPath(router, mount, given.get("target_link_uri")) };
}

/** Returns the path of a target on this site. Any other target becomes the start page. */
function toTargetPath(router: RouterContext, mount: string, target: string | null): string {
  const home = getStartPage(router.settings, mount);
  const origin = getOrigin(router);
  if (target === null || !URL.canParse(target, origin)) return home;
  const { href } = new URL(target, origin);
  if (!href.startsWith(`${origin}/`)) return home;
  return resolveReturnTo(router.settings, mount, href.slice(origin.length));
}

const createInitiationError = (detail: string) => new PortalAuthError("login_initiation_invalid", { detail });
