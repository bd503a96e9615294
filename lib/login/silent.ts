import { isPersonOnTheirWay } from "../answer/client.js";
import { logFailure } from "../answer/log.js";
import type { Parts, Visit } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { asPortalAuthError } from "../errors/to-portal-auth-error.js";
import { addressOf } from "../http/external-url.js";
import type { Portal } from "../provider/discovery.js";
import { readSession } from "../session/session.js";
import { isStrict } from "../session/session-cookie.js";
import { withinTime } from "../util/with-timeout.js";
import { beginLogin } from "./login.js";
import { isOwnRoute } from "./own-routes.js";
import { markTried, readMark, writeMark } from "./silent-mark.js";

/** Nobody has asked for this login, so nobody waits for it. */
const DISCOVERY_MS = 2000;
/** A portal that could not be asked is left alone for so long. */
const LEFT_ALONE_MS = 30_000;

/** Resolves to whether the request was answered; undefined where there is nothing to try. */
export type SilentLogin = (visit: Visit) => Promise<boolean> | undefined;

/**
 * Sends a visitor's browser to the portal once, to ask who they are without asking them anything (`prompt=none`, OpenID
 * Connect Core 1.0, section 3.1.2.1). Only browsers that load a page, and say so by Fetch Metadata, which programs and most
 * crawlers do not; and only those that have brought a cookie of ours back: one that keeps none would go in circles.
 */
export function createSilentLogin(parts: Parts): SilentLogin {
  const { settings, getPortal, log } = parts;
  let leftAloneUntil = 0;

  async function canBeAsked(): Promise<boolean> {
    try {
      return knowsPromptNone(await withinTime(getPortal(), DISCOVERY_MS, tooSlow));
    } catch (error) {
      if (performance.now() >= leftAloneUntil) logFailure(log, asPortalAuthError(error)); // and not for each of those who waited
      leftAloneUntil = performance.now() + LEFT_ALONE_MS;
      return false;
    }
  }

  async function attempt(visit: Visit, back: string): Promise<boolean> {
    if (!(await canBeAsked())) return false;
    try {
      await beginLogin(
        parts,
        visit,
        { returnTo: back, authorizationParams: { prompt: "none" } },
        { silent: true },
      );
      return true;
    } catch (error) {
      markTried(visit.res, settings); // the page is there all the same, and whatever failed would fail again
      logFailure(log, asPortalAuthError(error));
      return false;
    }
  }

  return function loginSilently(visit) {
    const { req, res, mount } = visit;
    if (!isPersonOnTheirWay(req) || readSession(req, settings)) return undefined;
    const back = addressOf(settings, mount, req, ""); // who is sent away must come back to the very page
    if (back === "" || isOwnRoute(settings, mount, back)) return undefined;
    // a SameSite=Strict session has stayed away, as another site has led here
    if (isStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return undefined;
    const mark = readMark(req, settings);
    if (mark === undefined) writeMark(res, settings, "ready");
    return mark === "ready" && performance.now() >= leftAloneUntil ? attempt(visit, back) : undefined;
  };
}

function tooSlow(): never {
  throw new PortalAuthError("portal_timeout", {
    detail: `discovery, for a silent login: over ${DISCOVERY_MS} ms`,
  });
}

/** Believed of a portal that does not say (Initiating User Registration via OpenID Connect 1.0, section 4). */
function knowsPromptNone({ metadata }: Portal): boolean {
  const { prompt_values_supported: known } = metadata;
  return !Array.isArray(known) || known.includes("none");
}
