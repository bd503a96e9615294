import { PortalAuthError } from "../errors.js";
import type { AuthorizationResponse } from "../portal/exchange.js";

/** The parameters of RFC 6749, sections 4.1.2 and 4.1.2.1, RFC 9207 and OpenID Connect Session Management 1.0. */
const ONCE = ["state", "code", "error", "error_description", "error_uri", "iss", "session_state"];

/** In characters: proxies cut an address at 8 KiB. What is longer the portal would refuse in words of its own. */
const LONGEST = 8192;

/**
 * What the portal answered: one of each parameter, or refused, since two readers of a repeated parameter may believe two
 * different things.
 *
 * @throws PortalAuthError `callback_invalid`
 */
export function readResponse(parameters: URLSearchParams): AuthorizationResponse {
  const repeated = ONCE.find((name) => parameters.getAll(name).length > 1);
  if (repeated) throw invalid(`${repeated} more than once`);
  const long = ["state", "code", "error", "iss"].find((name) => (parameters.get(name) ?? "").length > LONGEST);
  if (long) throw invalid(`${long} over ${LONGEST} characters`);
  const read = (name: string) => parameters.get(name) || undefined; // empty is absent
  const [state, code, error, iss] = [read("state"), read("code"), read("error"), read("iss")];
  if (state === undefined) throw invalid("state missing");
  if (code !== undefined && error !== undefined) throw invalid("code and error");
  if (code !== undefined) return { state, iss, code };
  if (error !== undefined) return { state, iss, error };
  throw invalid("neither code nor error");
}

const invalid = (detail: string) => new PortalAuthError("callback_invalid", { detail });
