import type { RequestHandler } from "express";
import { answerFailure } from "../guard/answer-failure.js";
import { portalNamed } from "../guard/portal-named.js";
import { requireAuth } from "../guard/require-auth.js";
import { externalPrefix } from "../http/external-url.js";
import { RequestPortal } from "../request-portal.js";
import { refuseRequest } from "../util/assert-factory-call.js";
import { createAsk } from "./ask.js";
import { passOn } from "./forward-request.js";
import { type PortalProxyOptions, settleProxy } from "./resolve-proxy-options.js";
import { wantedBelow } from "./target.js";

/**
 * Passes requests below a path on to an API, with the access token of who is logged in, refreshed when it has to be:
 * `app.use(portalProxy('/api', 'https://orders.example/v1'))`, behind portalAuth() and before what parses bodies.
 * `/api/open?page=2` is `https://orders.example/v1/open?page=2` there. The browser has its session's cookie, and never a
 * token; the API has the token, and never a cookie.
 *
 * Who is not logged in is told so as requireAuth() does. Bodies stream both ways. When the API answers 401 although the
 * token has not ended, it is refreshed once, and the request repeated once if its body has at most 64 KiB. Only headers of
 * an allow-list are forwarded, either way: the options `requestHeaders` and `responseHeaders` add to it.
 *
 * Failures are answered, by page or problem: `cross_site_refused` (403), `proxy_request_refused` (400),
 * `proxy_body_consumed` (500), `upstream_unreachable` (502), `upstream_timeout` (504), and those of accessToken().
 *
 * @param path where it is, below its mount: no pattern
 * @param upstream https, or http on loopback; its path is never left
 * @throws TypeError when the app starts: what is missing, wrong or does not exist
 */
export function portalProxy(
  path: string,
  upstream: string,
  options: PortalProxyOptions = {},
): RequestHandler {
  refuseRequest(path, "portalProxy");
  const settings = settleProxy(path, upstream, options);
  const { portal: name, csrf } = settings;
  const portalOf = portalNamed(name);
  const guard: RequestHandler = requireAuth(name === undefined ? { csrf } : { csrf, portal: name });
  const ask = createAsk(settings);
  return function portalProxyHandler(req, res, next) {
    const wanted = wantedBelow(req.url, settings.path);
    if (wanted === undefined) return next();
    guard(req, res, (failure) => {
      if (failure !== undefined) return next(failure);
      const portal = portalOf(req);
      if (!portal || res.closed) return; // the guard lets nobody pass without one; who hung up meanwhile is asked for nothing
      const { parts, visit } = RequestPortal.insideOf(portal);
      const mount = externalPrefix(parts.settings, visit.mount) + req.baseUrl + settings.path;
      const leaving = new AbortController();
      const { signal: left } = leaving;
      res.once("close", () => leaving.abort());
      passOn({ req, res, left, parts, mount, settings, ask, wanted })
        .catch((error) => (left.aborted ? undefined : answerFailure(req, res, portal, {}, error)))
        .catch(next);
    });
  };
}
