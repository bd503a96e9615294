import type { Request as ExpressRequest } from "express";
import type { RouterContext } from "../context/router-context.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { getFreshSession, refreshRejectedTokenUnlessDown } from "./access-token.js";

type Input = Parameters<typeof fetch>[0];

/**
 * fetch with the person's access token (RFC 6750, section 2.1), to the origins that the application allows. When the
 * API answers 401 although the token has not ended, it is refreshed once and, where the request can be sent again, the
 * request is repeated once. A 401 to a token that came in this way is handed on, for five minutes.
 *
 * @throws PortalAuthError `origin_not_allowed`, and those of accessToken(); TypeError when the API cannot be reached
 */
export async function fetchWithToken(
  router: RouterContext,
  req: ExpressRequest,
  given: Input,
  init: RequestInit = {},
) {
  const input = given instanceof Request ? given : String(given); // a URL could become another after it was checked
  checkOrigin(router, input);
  const session = await getFreshSession(router, req);
  const first = await send(input, init, session.tokens.access_token);
  if (first.status !== 401 || !canBeRepeated(input, init)) return first;
  const renewed = await refreshRejectedTokenUnlessDown(router, req, session).catch(async (error) => {
    await first.body?.cancel();
    throw error;
  });
  if (!renewed) return first;
  await first.body?.cancel();
  return send(input, init, renewed.tokens.access_token);
}

function checkOrigin({ settings }: RouterContext, input: Input): void {
  const address = input instanceof Request ? input.url : String(input);
  // of a blob: the origin is that of the address in it, and nothing goes there
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const origin = url && /^https?:$/.test(url.protocol) ? url.origin : "an address without an origin";
  if (!settings.apiOrigins.includes(origin))
    throw new PortalAuthError("origin_not_allowed", { detail: origin });
}

/** A redirect to another origin is followed without the token: fetch sees to that (Fetch Standard, HTTP-redirect fetch, step 13). */
function send(input: Input, init: RequestInit, accessToken: string): Promise<Response> {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
  headers.set("authorization", `Bearer ${accessToken}`);
  return fetch(input, { ...init, headers });
}

/** A body that is a stream is read once. */
function canBeRepeated(input: Input, { body }: RequestInit): boolean {
  if (body === undefined || body === null) return !(input instanceof Request) || input.body === null;
  const isStream =
    typeof body === "object" && (body instanceof ReadableStream || Symbol.asyncIterator in body);
  return !isStream;
}
