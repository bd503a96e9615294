import type { Request as ExpressRequest } from "express";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getFreshSession, refreshRejectedTokenUnlessDown } from "./access-token.js";

type Input = Parameters<typeof fetch>[0];

/**
 * Sends a request with the user's access token (RFC 6750, section 2.1). Only the origins in the option
 * `apiOrigins` are allowed.
 *
 * If the API answers 401 before the token has expired, the token is refreshed once. Then the request is
 * repeated once, if its body can be sent again. If the API rejects a token that came from such a refresh, the
 * 401 is returned without another refresh for five minutes.
 *
 * @throws PortalAuthError `origin_not_allowed`, and the codes of accessToken(); TypeError if the API is
 *   unreachable
 */
export async function fetchWithToken(
  router: RouterContext,
  req: ExpressRequest,
  urlOrRequest: Input,
  init: RequestInit = {},
) {
  // A URL object could be changed after the check.
  const input = urlOrRequest instanceof Request ? urlOrRequest : String(urlOrRequest);
  checkOrigin(router, input);
  const session = await getFreshSession(router, req);
  const first = await send(input, init, session.tokens.access_token);
  if (first.status !== 401 || !canBeRepeated(input, init)) return first;
  const refreshed = await refreshRejectedTokenUnlessDown(router, req, session).catch(async (error) => {
    await first.body?.cancel();
    throw error;
  });
  if (!refreshed) return first;
  await first.body?.cancel();
  return send(input, init, refreshed.tokens.access_token);
}

function checkOrigin({ settings }: RouterContext, input: Input): void {
  const href = input instanceof Request ? input.url : String(input);
  const url = URL.canParse(href) ? new URL(href) : undefined;
  // A blob: URL has the origin of the URL inside it, but no request goes there.
  const origin = url && /^https?:$/.test(url.protocol) ? url.origin : "a URL without an origin";
  if (!settings.apiOrigins.includes(origin))
    throw new PortalAuthError("origin_not_allowed", { detail: origin });
}

/**
 * A redirect to another origin is followed without the token, because fetch removes it (Fetch Standard,
 * HTTP-redirect fetch, step 13).
 */
function send(input: Input, init: RequestInit, accessToken: string): Promise<Response> {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.set("authorization", `Bearer ${accessToken}`);
  return fetch(input, { ...init, headers });
}

/** A stream can be read only once. */
function canBeRepeated(input: Input, { body }: RequestInit): boolean {
  if (body === undefined || body === null) return !(input instanceof Request) || input.body === null;
  const isStream =
    typeof body === "object" && (body instanceof ReadableStream || Symbol.asyncIterator in body);
  return !isStream;
}
