import type { Request } from "express";
import { isPrefetch } from "../answer/client.js";
import { logFailure } from "../answer/log.js";
import { PortalAuthError } from "../errors.js";
import { outline } from "../outline.js";
import type { Parts, Visit } from "../parts.js";
import { isStrict } from "../session/own-session.js";
import { readSession } from "../session/session.js";
import { withinTime } from "../within-time.js";
import { beginLogin } from "./login.js";
import { isOwnRoute } from "./own-routes.js";
import { readMark, writeMark } from "./silent-mark.js";

/** Nobody has asked for this login, so nobody waits for it. */
const DISCOVERY_MS = 2000;
/** A portal that could not be asked is left alone for so long. */
const LEFT_ALONE_MS = 30_000;

/** Resolves to whether the request was answered; undefined where there is nothing to try. */
export type SilentLogin = (visit: Visit) => Promise<boolean> | undefined;

/**
 * Sends a visitor's browser to the portal once, to ask who they are without asking them anything (`prompt=none`, OpenID
 * Connect Core 1.0, section 3.1.2.1). Only browsers that load a page, and say so by Fetch Metadata, which crawlers and
 * programs do not; and only those that have brought a cookie of ours back: one that keeps none would go in circles.
 */
export function createSilentLogin(parts: Parts): SilentLogin {
  const { settings, getPortal, log } = parts;
  let leftAloneUntil = 0;

  async function portalIsThere(): Promise<boolean> {
    const known = await withinTime(getPortal(), DISCOVERY_MS, () => undefined).catch(() => undefined);
    if (!known) leftAloneUntil = performance.now() + LEFT_ALONE_MS;
    return known !== undefined;
  }

  async function attempt(visit: Visit): Promise<boolean> {
    if (!(await portalIsThere())) return false;
    try {
      writeMark(visit.res, settings, "tried");
      await beginLogin(
        parts,
        visit,
        { returnTo: visit.req.originalUrl, authorizationParams: { prompt: "none" } },
        { silent: true },
      );
      return true;
    } catch (error) {
      // the page is there all the same
      logFailure(
        log,
        error instanceof PortalAuthError ? error : new PortalAuthError("unexpected", { detail: outline(error) }),
      );
      return false;
    }
  }

  return function loginSilently(visit) {
    const { req, res } = visit;
    if (!loadsPage(req) || readSession(req, settings) || isOwnRoute(req.originalUrl)) return undefined;
    // a SameSite=Strict session has stayed away, as another site has led here
    if (isStrict(req, settings) && req.headers["sec-fetch-site"] === "cross-site") return undefined;
    const mark = readMark(req, settings);
    if (mark === undefined) writeMark(res, settings, "ready");
    return mark === "ready" && performance.now() >= leftAloneUntil ? attempt(visit) : undefined;
  };
}

const loadsPage = (req: Request): boolean =>
  req.method === "GET" &&
  req.headers["sec-fetch-mode"] === "navigate" &&
  req.headers["sec-fetch-dest"] === "document" &&
  !isPrefetch(req);
