import type { Request } from "express";
import { answerError } from "./answer/answer-error.js";
import { isPrefetch } from "./answer/client.js";
import { ourHeaders } from "./answer/response-headers.js";
import { send } from "./answer/send.js";
import { callbackStep } from "./callback/callback.js";
import { postedStep } from "./callback/posted.js";
import { useTicket } from "./callback/test-login-callback.js";
import { type Parts, type Visit, withRetry } from "./context/router-context.js";
import { tickets } from "./contract/test-login.js";
import { formStep, postedFormStep } from "./form/form.js";
import { loginStep } from "./login/login.js";
import { initiatedByPost, unlessInitiated } from "./login/third-party.js";
import { backChannelStep } from "./logout/back-channel.js";
import { frontChannelStep } from "./logout/front-channel.js";
import { logoutStep } from "./logout/logout.js";
import { passUnnoticed } from "./session/end-session.js";
import { statusStep } from "./status/status.js";
import { withoutSlash } from "./util/without-trailing-slash.js";

/** Answers a request for one of our own addresses. */
type Step = (visit: Visit) => Promise<void>;

/** What answers a request; undefined for one that is none of ours. */
export type StepFor = (req: Request) => Step | undefined;

/** By path, and then by method: nearly every request is none of ours, which its path alone says. */
export function createRoutes(parts: Parts): StepFor {
  const { thirdPartyLogin } = parts.settings;
  const { login, callback, logout, session, form, backchannelLogout, frontchannelLogout } =
    parts.settings.routes;
  const [begin, finish, leave] = [
    loginStep(parts),
    callbackStep(parts),
    withoutSignIn(parts, logoutStep(parts)),
  ];
  const table: [method: string, path: string | false, step: Step][] = [
    ["GET", login, unlessPrefetched(thirdPartyLogin ? unlessInitiated(parts, begin) : begin)],
    ["POST", thirdPartyLogin && login, initiatedByPost(parts)],
    ["HEAD", login, answerHead],
    ["GET", callback, unlessPrefetched(unlessTicket(parts, finish))],
    ["POST", callback, postedStep(parts)],
    ["HEAD", callback, answerHead],
    ["GET", logout, unlessPrefetched(leave)],
    ["POST", logout, leave],
    ["HEAD", logout, answerHead],
    ["POST", backchannelLogout, backChannelStep(parts)],
    ["GET", backchannelLogout, postAlone],
    ["HEAD", backchannelLogout, postAlone],
    ["GET", frontchannelLogout, unlessPrefetched(withoutSignIn(parts, frontChannelStep(parts)))],
    ["HEAD", frontchannelLogout, answerHead],
    ["GET", form, unlessPrefetched(withoutSignIn(parts, formStep(parts)))],
    ["POST", form, withoutSignIn(parts, postedFormStep(parts))],
    ["HEAD", form, answerHead],
    ["GET", session, withoutSignIn(parts, statusStep(parts))],
    ["HEAD", session, withoutSignIn(parts, statusStep(parts))],
  ];
  const routes = new Map<string, Map<string, Step>>();
  for (const [method, path, step] of table) {
    if (path === false) continue;
    const steps = routes.get(withoutSlash(path)) ?? new Map<string, Step>();
    routes.set(withoutSlash(path), steps.set(method, step));
  }
  return (req) => routes.get(withoutSlash(req.path))?.get(req.method);
}

/** Answers HEAD without side effects: link scanners send it for addresses that a person may open later. */
async function answerHead({ res }: Visit): Promise<void> {
  ourHeaders(res);
  res.statusCode = 204;
  res.end();
}

/**
 * Refuses a prefetch or prerender without side effects. Chromium keeps a 2xx answer, also a 204 with `no-store`, and uses
 * it for the click that follows, so the link would do nothing. It discards a 503. There is no Retry-After: browsers apply
 * it to the whole origin and would stop loading the application's own pages ahead.
 */
async function refusePrefetch({ res }: Visit): Promise<void> {
  ourHeaders(res);
  res.statusCode = 503;
  res.end();
}

/** It is there: whoever looks whether they have registered the right address sees that (RFC 9110, section 15.5.6). */
async function postAlone({ req, res }: Visit): Promise<void> {
  passUnnoticed(req);
  ourHeaders(res);
  res.statusCode = 405;
  res.setHeader("Allow", "POST");
  send(res, "text/plain", "This address is for the portal, which posts logout tokens to it.\n");
}

/** Answers a failure of a step that is no sign-in: the page neither says that a sign-in failed nor offers one. */
const withoutSignIn =
  (parts: Parts, step: Step): Step =>
  (visit) =>
    step(visit).catch((error) => answerError(visit.req, visit.res, error, withRetry(parts, visit)));

const unlessPrefetched =
  (step: Step): Step =>
  (visit) =>
    isPrefetch(visit.req) ? refusePrefetch(visit) : step(visit);

/** A test that runs in this process may bring a login along: see login-ticket.ts. */
const unlessTicket =
  (parts: Parts, step: Step): Step =>
  (visit) => {
    const ticket = tickets.get(visit.req);
    return ticket ? useTicket(parts, visit, ticket) : step(visit);
  };
