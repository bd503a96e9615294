import { answerError } from "../answer/answer-error.js";
import { wantsPage } from "../answer/client.js";
import { ourHeaders } from "../answer/headers.js";
import { logFailure } from "../answer/log.js";
import { redirect } from "../answer/redirect.js";
import { send } from "../answer/send.js";
import { PortalAuthError } from "../errors.js";
import { afterLogout, linkTo, startPage } from "../external-address.js";
import { markTried } from "../login/silent-mark.js";
import { type Parts, type Visit, withLogin, withRetry } from "../parts.js";
import { logoutUrl } from "../portal/log-out.js";
import { revokeQuietly } from "../revoke-quietly.js";
import { endOthers } from "../session/persons/of-person.js";
import type { EndedSession } from "../session/persons/persons-sessions.js";
import { endSession } from "../session/session.js";
import type { PortalSession } from "../session/stored.js";
import { withinTime } from "../within-time.js";
import { afterwards, revokeCopies, tellEvent, tellHook } from "./ended.js";
import { confirmation, isMeant } from "./meant.js";

/** The person is logged out here before the portal is asked for anything; longer than this nobody waits for it. */
const PORTAL_SECONDS = 5;

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
 * Ends the session here, then the tokens and the session at the portal, as far as it can be reached. Who could not be
 * logged out is told so, and offered to try that again: no way to sign in. Of several sessions the one of this request is
 * the last: who is told that it did not work can say once more that all of them shall end.
 */
export async function logOut(parts: Parts, visit: Visit, { everywhere = false }: LogoutOptions = {}): Promise<void> {
  const { settings } = parts;
  const { req, res, mount } = visit;
  let others: readonly EndedSession[] = [];
  let logins: readonly PortalSession[];
  try {
    if (everywhere) others = await endOthers(req, settings);
    logins = await endSession(req, res, settings);
  } catch (error) {
    return answerError(req, res, error, withRetry(parts, visit));
  }
  markTried(res, settings);
  const [ended] = logins;
  const reason = everywhere ? "everywhere" : "logout";
  if (ended) await tellHook(parts, req, reason, ended);
  await afterwards(parts, req, reason, others);
  void revokeCopies(parts, logins);
  const there = await withinTime(endAtPortal(parts, ended, mount), PORTAL_SECONDS * 1000, () => undefined);
  const told = { had_login: ended !== undefined, at_portal: there !== undefined };
  tellEvent(parts, reason, others.length + (ended ? 1 : 0), told);
  const to = there ?? afterLogout(settings, mount);
  parts.transactions.clear({ req, res }, to);
  if (wantsPage(req)) return redirect(res, 303, to);
  ourHeaders(res); // a script cannot follow a redirect to another site: it is told where to send the person
  send(res, "application/json", JSON.stringify({ logout_url: to }));
}

/** Revokes the refresh token and gives the address that ends the portal's own session; a failure is logged, no more. */
async function endAtPortal(parts: Parts, ended: PortalSession | undefined, mount: string): Promise<string | undefined> {
  try {
    const portal = await parts.getPortal();
    await revokeQuietly(parts, ended?.tokens.refresh_token);
    return logoutUrl(portal, ended?.tokens.id_token, afterLogout(parts.settings, mount))?.href;
  } catch (error) {
    if (error instanceof PortalAuthError) logFailure(parts.log, error);
    else throw error;
    return undefined;
  }
}

/** A person who came from elsewhere is asked; a program is told. */
async function askFirst(parts: Parts, { req, res, mount }: Visit): Promise<void> {
  if (!wantsPage(req)) return answerError(req, res, new PortalAuthError("logout_unconfirmed"), withLogin(parts, mount));
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
