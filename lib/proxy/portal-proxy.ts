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
 * Creates a middleware that forwards requests below a path to an API, with the access token of the signed-in
 * user. It refreshes the token if necessary. Mount it after portalAuth() and before body parsers:
 * `app.use(portalProxy('/api', 'https://orders.example/v1'))`. It forwards `/api/open?page=2` to
 * `https://orders.example/v1/open?page=2`. The browser never gets a token, and the API never gets a cookie.
 *
 * Other users are challenged as by requireAuth(). Bodies are streamed in both directions. If the API responds
 * with 401 before the token has expired, the token is refreshed once. The request is then repeated once, if
 * its body has at most 64 KiB. Only headers of an allow-list are forwarded. The options `requestHeaders` and
 * `responseHeaders` add headers to it.
 *
 * Failures get an error page or problem+json: `cross_site_refused` (403), `proxy_request_refused` (400),
 * `proxy_body_consumed` (500), `upstream_unreachable` (502), `upstream_timeout` (504), and the errors of
 * accessToken().
 *
 * @param path path of the proxy, below the path where it is mounted; without patterns
 * @param upstream base URL of the API: https, or http on loopback. Requests stay below its path.
 * @throws TypeError at start-up, if an argument is missing or invalid, or an option does not exist
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
      if (!portal || res.closed) return; // the browser may have closed the connection meanwhile
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
