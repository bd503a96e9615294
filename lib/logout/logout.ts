import { answerError } from "../answer/answer-error.js";
import { isFormPost, wantsPage } from "../answer/client.js";
import { goOn } from "../answer/interstitial.js";
import { logFailure } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { ourHeaders } from "../answer/response-headers.js";
import { send } from "../answer/send.js";
import { forgetBounce } from "../context/navigation-origin.js";
import { type RevocationFailure, revokeQuietly, tryToRevoke } from "../context/revoke-tokens.js";
import { originOf, type Parts, type Visit, withLogin, withRetry } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { afterLogout, linkTo, startPage } from "../http/external-url.js";
import { markTried } from "../login/silent-mark.js";
import { logoutUrl } from "../provider/end-provider-session.js";
import { endSession, type LogoutOutcome } from "../session/end-session.js";
import type { PortalSession } from "../session/login-record.js";
import { type EndedSession, endOthers } from "../session/user-sessions.js";
import { withinTime } from "../util/with-timeout.js";
import { afterwards, callOnLogout, loginsOf, refreshTokensOf, tellEvent } from "./after-logout.js";
import { confirmation, isMeant } from "./logout-intent.js";

/** The person is logged out here before the portal is asked for anything; longer than this nobody waits for it. */
const PORTAL_SECONDS = 5;

/** Pages of the user that the browser keeps would be shown on Back (Clear Site Data, section 3.1). Cookies stay. */
const CLEARED = '"cache"';

/** What `req.portal.logout()` is told. */
export interface LogoutOptions {
  /** Whether the person's other sessions here end as well, on whichever device. Default false. */
  readonly everywhere?: boolean;
}

/** GET and POST /logout */
export function logoutStep(parts: Parts) {
  return async function logout(visit: Visit): Promise<void> {
    if (await isMeant(parts, visit.req)) await logOut(parts, visit);
    else await askFirst(parts, visit);
  };
}

/**
 * Ends the session here, then the tokens and the session at the provider, as far as it can be reached. If the store fails,
 * the answer offers to try again and no sign-in. With `everywhere` the session of this request ends last, so that the user
 * can repeat a logout that has failed half-way.
 */
export async function logOut(
  parts: Parts,
  visit: Visit,
  { everywhere = false }: LogoutOptions = {},
): Promise<void> {
  const { settings } = parts;
  const { req, res, mount } = visit;
  let others: readonly EndedSession[] = [];
  let own: LogoutOutcome | undefined;
  const reason = everywhere ? "everywhere" : "logout";
  try {
    if (everywhere) {
      const { ended, failure } = await endOthers(req, settings);
      others = ended;
      if (failure) throw failure;
    }
    own = await endSession(req, res, settings);
  } catch (error) {
    if (others.length > 0) tellEvent(parts, reason, others.length);
    void afterwards(parts, req, reason, others); // a second try does not find them any more
    return answerError(req, res, error, withRetry(parts, visit));
  }
  markTried(res, settings);
  const otherLogins = loginsOf(others);
  const endedHere = own?.isEndedHere ? [own.login] : [];
  const [there] = await Promise.all([
    endAtProvider(parts, own?.login, otherLogins, mount),
    callOnLogout(parts, req, reason, [...endedHere, ...otherLogins]),
  ]);
  const told = { had_login: own !== undefined, at_portal: there !== undefined };
  tellEvent(parts, reason, others.length + endedHere.length, told);
  const to = there ?? afterLogout(settings, mount);
  parts.transactions.clear({ req, res }, to);
  await answerLogout(parts, visit, to);
}

/**
 * Sends the browser to the provider's logout or the page after it. A script cannot follow a redirect to another site, so it
 * gets the address to send the user to.
 */
async function answerLogout(parts: Parts, { req, res }: Visit, to: string): Promise<void> {
  res.setHeader("Clear-Site-Data", CLEARED);
  if (!wantsPage(req)) {
    ourHeaders(res);
    return send(res, "application/json", JSON.stringify({ logout_url: to }));
  }
  const leavesSite = new URL(to).origin !== originOf(parts);
  if (leavesSite && isFormPost(req)) await goOn(parts.pages, req, res, to);
  else redirect(res, 303, to);
}

/**
 * Revokes the refresh tokens: those of this session first, the others without anybody waiting for them. Gives the address
 * that ends the provider's own session; undefined if the provider cannot be reached or takes too long.
 */
function endAtProvider(
  parts: Parts,
  ended: PortalSession | undefined,
  others: readonly PortalSession[],
  mount: string,
): Promise<string | undefined> {
  const own = ended?.tokens.refresh_token;
  const revoking = tryToRevoke(parts, own);
  void revokeQuietly(parts, refreshTokensOf(others), revoking);
  return withinTime(addressAfter(parts, ended, revoking, mount), PORTAL_SECONDS * 1000, () => undefined);
}

/**
 * Waits for the revocation, as the provider's own logout may end the token first. A provider that cannot be reached is
 * logged here unless the revocation has failed as well: that has a line of its own.
 */
async function addressAfter(
  parts: Parts,
  ended: PortalSession | undefined,
  revoking: Promise<RevocationFailure>,
  mount: string,
): Promise<string | undefined> {
  try {
    const portal = await parts.getPortal();
    await revoking;
    return logoutUrl(portal, ended?.tokens.id_token, afterLogout(parts.settings, mount))?.href;
  } catch (error) {
    if (!(error instanceof PortalAuthError)) throw error;
    if ((await revoking) === undefined) logFailure(parts.log, error);
    return undefined;
  }
}

/** A person who came from elsewhere is asked; a program is told. */
async function askFirst(parts: Parts, { req, res, mount }: Visit): Promise<void> {
  if (!wantsPage(req))
    return answerError(req, res, new PortalAuthError("logout_unconfirmed"), withLogin(parts, mount));
  forgetBounce(parts, req, res);
  const post = linkTo(parts.settings, mount, String(parts.settings.routes.logout));
  await parts.pages.send(req, res, ({ titles, labels, signOutQuestion }) => ({
    kind: "sign_out",
    title: titles.signOut,
    text: signOutQuestion,
    actions: [
      { label: labels.signOut, post, fields: Object.entries(confirmation(parts, req)) },
      { label: labels.staySignedIn, href: startPage(parts.settings, mount) },
    ],
  }));
}
