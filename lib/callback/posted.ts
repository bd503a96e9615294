import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { bounce } from "../context/navigation-origin.js";
import type { Parts, Visit } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { formOr, POSTED, readQuery } from "../http/parameters.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";
import { dropNewSession } from "../session/end-session.js";
import { isStrict } from "../session/session-cookie.js";
import { readResponse } from "./authorization-response.js";

/**
 * POST /callback, for `response_mode=form_post`: what was posted is handed on to GET, sealed, as a code belongs into no
 * address. A POST from the portal's page carries no SameSite=Lax cookie, and the GET that follows does: so the login need
 * not have a cookie that every site can send, and the session of before is there to be ended.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function postedStep(parts: Parts) {
  return async function handOn({ req, res }: Visit): Promise<void> {
    const response = readResponse(await formOr(req, "callback_invalid"), secretsOf(parts));
    const isHidden = isStrict(req, parts.settings);
    dropNewSession(req, parts.settings);
    if (isHidden) await bounce(parts, req, res, addressOf(parts, response));
    else redirect(res, 303, addressOf(parts, response));
  };
}

/** In characters. nginx refuses a request line above 8 KiB by default, with a page that says nothing. */
const LONGEST_ADDRESS = 8000;

/**
 * The address of the GET that finishes the login, relative to the callback as the browser knows it: a proxy may have removed
 * a prefix.
 *
 * @throws PortalAuthError `callback_invalid` for an answer that makes the address too long
 */
function addressOf({ posted }: Parts, response: AuthorizationResponse): string {
  const address = `?${new URLSearchParams({ [POSTED]: posted.seal(response) })}`;
  if (address.length <= LONGEST_ADDRESS) return address;
  const detail = `the answer is too long to pass on: an address of ${address.length} characters, over ${LONGEST_ADDRESS}`;
  throw new PortalAuthError("callback_invalid", { detail });
}

const secretsOf = ({ settings }: Parts): readonly (string | undefined)[] => [
  settings.clientSecret,
  ...settings.secrets,
];

/**
 * What the portal answered, whether it came in the query or was posted.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function responseOf(parts: Parts, req: Request): AuthorizationResponse {
  const query = readQuery(req);
  const sealed = query.get(POSTED);
  if (sealed === null) return readResponse(query, secretsOf(parts));
  const response = parts.posted.open(sealed) as AuthorizationResponse | undefined;
  if (!response) throw new PortalAuthError("callback_invalid", { detail: `${POSTED} cannot be opened` });
  return response;
}

/**
 * Whether the session's cookie is SameSite=Strict and stayed away, as the portal has led here: then the callback comes a
 * second time, led by a page of ours. So the session of before is there to be ended, and the page that is wanted, which
 * is but another redirect, finds the new one.
 */
export async function comesAgain(
  parts: Parts,
  { req, res }: Visit,
  response: AuthorizationResponse,
): Promise<boolean> {
  const isLedHere = (req.headers["sec-fetch-site"] ?? "cross-site") === "cross-site";
  if (!isStrict(req, parts.settings) || !isLedHere || readQuery(req).has(POSTED)) return false;
  dropNewSession(req, parts.settings);
  await bounce(parts, req, res, addressOf(parts, response));
  return true;
}
