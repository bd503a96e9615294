import type { Request } from "express";
import { isPrefetch } from "./answer/client-kind.js";
import { setResponseHeaders } from "./answer/response-headers.js";
import { send } from "./answer/send.js";
import { sendErrorResponse } from "./answer/send-error-response.js";
import { createCallbackStep } from "./callback/callback.js";
import { createTestSession } from "./callback/create-test-session.js";
import { createFormPostStep } from "./callback/form-post.js";
import { offerRetry, type RequestContext, type RouterContext } from "./context/router-context.js";
import { createFormStep, createSendFormStep } from "./form/form-page.js";
import { testLogins } from "./http/test-login.js";
import { createLoginStep } from "./login/login.js";
import { createThirdPartyLoginStep, createThirdPartyPostStep } from "./login/third-party-login.js";
import { createBackChannelStep } from "./logout/back-channel.js";
import { createFrontChannelStep } from "./logout/front-channel.js";
import { createLogoutStep } from "./logout/logout.js";
import { ignoreSessionActivity } from "./session/end-session.js";
import { createStatusStep } from "./status/status.js";
import { withoutTrailingSlash } from "./util/without-trailing-slash.js";

/** Responds to a request for one of our own routes. */
type Step = (request: RequestContext) => Promise<void>;

/** Returns the step that handles a request. Undefined if the request is not for one of our routes. */
export type FindStep = (req: Request) => Step | undefined;

/**
 * Creates the table of our routes. It is searched by path first: nearly every request is for a route of the
 * application, and its path alone shows that.
 */
export function createRoutes(router: RouterContext): FindStep {
  const { thirdPartyLogin } = router.settings;
  const { login, callback, logout, session, form, backchannelLogout, frontchannelLogout } =
    router.settings.routes;
  const loginStep = createLoginStep(router);
  const callbackStep = createCallbackStep(router);
  const logoutStep = withoutSignIn(router, createLogoutStep(router));
  const table: [method: string, path: string | false, step: Step][] = [
    [
      "GET",
      login,
      withoutPrefetch(thirdPartyLogin ? createThirdPartyLoginStep(router, loginStep) : loginStep),
    ],
    ["POST", thirdPartyLogin && login, createThirdPartyPostStep(router)],
    ["HEAD", login, sendEmptyHead],
    ["GET", callback, withoutPrefetch(withTestLogin(router, callbackStep))],
    ["POST", callback, createFormPostStep(router)],
    ["HEAD", callback, sendEmptyHead],
    ["GET", logout, withoutPrefetch(logoutStep)],
    ["POST", logout, logoutStep],
    ["HEAD", logout, sendEmptyHead],
    ["POST", backchannelLogout, createBackChannelStep(router)],
    ["GET", backchannelLogout, rejectGetOfBackChannel],
    ["HEAD", backchannelLogout, rejectGetOfBackChannel],
    ["GET", frontchannelLogout, withoutPrefetch(withoutSignIn(router, createFrontChannelStep(router)))],
    ["HEAD", frontchannelLogout, sendEmptyHead],
    ["GET", form, withoutPrefetch(withoutSignIn(router, createFormStep(router)))],
    ["POST", form, withoutSignIn(router, createSendFormStep(router))],
    ["HEAD", form, sendEmptyHead],
    ["GET", session, withoutSignIn(router, createStatusStep(router))],
    ["HEAD", session, withoutSignIn(router, createStatusStep(router))],
  ];
  const routes = new Map<string, Map<string, Step>>();
  for (const [method, path, step] of table) {
    if (path === false) continue;
    const steps = routes.get(withoutTrailingSlash(path)) ?? new Map<string, Step>();
    routes.set(withoutTrailingSlash(path), steps.set(method, step));
  }
  return (req) => routes.get(withoutTrailingSlash(req.path))?.get(req.method);
}

/** Responds to HEAD without side effects: link scanners send it for URLs that a user may open later. */
async function sendEmptyHead({ res }: RequestContext): Promise<void> {
  setResponseHeaders(res);
  res.statusCode = 204;
  res.end();
}

/**
 * Rejects a prefetch or prerender without side effects. Chromium reuses a 2xx response for the click that
 * follows, even a 204 with `no-store`, so the link would do nothing. It discards a 503. There is no
 * Retry-After: browsers apply it to the whole origin and would stop prefetching the application's own pages.
 */
async function rejectPrefetch({ res }: RequestContext): Promise<void> {
  setResponseHeaders(res);
  res.statusCode = 503;
  res.end();
}

/** Responds with 405: a developer who opens the URL sees that it exists (RFC 9110, section 15.5.6). */
async function rejectGetOfBackChannel({ req, res }: RequestContext): Promise<void> {
  ignoreSessionActivity(req);
  setResponseHeaders(res);
  res.statusCode = 405;
  res.setHeader("Allow", "POST");
  send(res, "text/plain", "This URL is for the OpenID provider, which posts logout tokens to it.\n");
}

/**
 * Wraps a step that is not part of a sign-in: its error page does not mention a sign-in and does not offer
 * one.
 */
const withoutSignIn =
  (router: RouterContext, step: Step): Step =>
  (request) =>
    step(request).catch((error) =>
      sendErrorResponse(request.req, request.res, error, offerRetry(router, request)),
    );

const withoutPrefetch =
  (step: Step): Step =>
  (request) =>
    isPrefetch(request.req) ? rejectPrefetch(request) : step(request);

/**
 * Wraps the callback so that a test in this process can create a session directly: see http/test-login.ts.
 */
const withTestLogin =
  (router: RouterContext, step: Step): Step =>
  (request) => {
    const ticket = testLogins.get(request.req);
    return ticket ? createTestSession(router, request, ticket) : step(request);
  };
