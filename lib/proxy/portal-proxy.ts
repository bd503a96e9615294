import type { RequestHandler } from "express";
import { createPortalFinder } from "../guard/find-portal.js";
import { requireAuth } from "../guard/require-auth.js";
import { sendTokenFailure } from "../guard/send-token-failure.js";
import { getExternalPrefix } from "../http/external-url.js";
import { RequestPortal } from "../request-portal.js";
import { assertFactoryCall } from "../util/assert-factory-call.js";
import { forwardRequest } from "./forward-request.js";
import { type PortalProxyOptions, resolveProxyOptions } from "./resolve-proxy-options.js";
import { createSendToUpstream } from "./send-to-upstream.js";
import { parseRequestedPath } from "./upstream-url.js";

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
  assertFactoryCall(path, "portalProxy");
  const settings = resolveProxyOptions(path, upstream, options);
  const { portal: name, csrf } = settings;
  const findPortal = createPortalFinder(name);
  const guard: RequestHandler = requireAuth(name === undefined ? { csrf } : { csrf, portal: name });
  const sendToUpstream = createSendToUpstream(settings);
  return function portalProxyHandler(req, res, next) {
    const requestedPath = parseRequestedPath(req.url, settings.path);
    if (requestedPath === undefined) return next();
    guard(req, res, (failure) => {
      if (failure !== undefined) return next(failure);
      const portal = findPortal(req);
      if (!portal || res.closed) return; // the guard lets nobody pass without one; who hung up meanwhile is asked for nothing
      const { router, request } = RequestPortal.internalsOf(portal);
      const mount = getExternalPrefix(router.settings, request.mount) + req.baseUrl + settings.path;
      const controller = new AbortController();
      const { signal } = controller;
      res.once("close", () => controller.abort());
      forwardRequest({ req, res, signal, router, mount, settings, sendToUpstream, requestedPath })
        .catch((error) => (signal.aborted ? undefined : sendTokenFailure(req, res, portal, {}, error)))
        .catch(next);
    });
  };
}
