import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { PortalAuthError } from "../errors.js";
import { POSTED, readForm, readQuery } from "../parameters.js";
import type { Parts, Visit } from "../parts.js";
import type { AuthorizationResponse } from "../portal/exchange.js";
import { dropNewSession } from "../session/session.js";
import { readResponse } from "./response.js";

/**
 * POST /callback, for `response_mode=form_post`: what was posted is handed on to GET, sealed, as a code belongs into no
 * address. A POST from the portal's page carries no SameSite=Lax cookie, and the GET that follows does: so the login need
 * not have a cookie that every site can send, and the session of before is there to be ended.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function postedStep({ posted }: Parts) {
  return async function handOn({ req, res }: Visit): Promise<void> {
    const response = readResponse(await readForm(req));
    dropNewSession(req);
    // to the same address as the browser knows it: a proxy may have taken a prefix away
    redirect(res, 303, `?${new URLSearchParams({ [POSTED]: posted.seal(response) })}`);
  };
}

/**
 * What the portal answered, whether it came in the query or was posted.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function responseOf({ posted }: Parts, req: Request): AuthorizationResponse {
  const query = readQuery(req);
  const sealed = query.get(POSTED);
  if (sealed === null) return readResponse(query);
  const response = posted.open(sealed) as AuthorizationResponse | undefined;
  if (!response) throw new PortalAuthError("callback_invalid", { detail: `${POSTED} cannot be opened` });
  return response;
}
