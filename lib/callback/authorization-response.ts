import { PortalAuthError } from "../errors/portal-auth-error.js";
import { cleanDescription } from "../provider/clean-description.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";
import { printable } from "../provider/explain-failure.js";

/** The parameters of RFC 6749, sections 4.1.2 and 4.1.2.1, RFC 9207 and OpenID Connect Session Management 1.0. */
const SINGLE_PARAMETERS = [
  "state",
  "code",
  "error",
  "error_description",
  "error_uri",
  "iss",
  "session_state",
];

/** In characters: proxies cut an address at 8 KiB. What is longer the portal would refuse in words of its own. */
const MAX_PARAMETER_CHARACTERS = 8192;

/**
 * Reads the provider's answer. It refuses a repeated parameter, since two readers of it may believe two different things.
 *
 * @param secrets redacted in the description of an error
 * @throws PortalAuthError `callback_invalid`
 */
export function parseAuthorizationResponse(
  parameters: URLSearchParams,
  secrets: readonly (string | undefined)[] = [],
): AuthorizationResponse {
  const repeated = SINGLE_PARAMETERS.find((name) => parameters.getAll(name).length > 1);
  if (repeated) throw createCallbackError(`${repeated} more than once`);
  const long = ["state", "code", "error", "iss"].find(
    (name) => (parameters.get(name) ?? "").length > MAX_PARAMETER_CHARACTERS,
  );
  if (long) throw createCallbackError(`${long} over ${MAX_PARAMETER_CHARACTERS} characters`);
  const read = (name: string) => parameters.get(name) || undefined; // empty is absent
  const [state, code, error, iss] = [read("state"), read("code"), read("error"), read("iss")];
  const error_description = cleanDescription(read("error_description"), [...secrets, state, code]);
  // some providers leave out the state of an error: the developer needs to see it all the same
  if (state === undefined && error !== undefined)
    throw createCallbackError(`state missing, error ${printable(error)}`, error_description);
  if (state === undefined) throw createCallbackError("state missing");
  if (code !== undefined && error !== undefined) throw createCallbackError("code and error");
  if (code !== undefined) return { state, iss, code, ...parseMembers(parameters) };
  if (error !== undefined)
    return { state, iss, error, ...(error_description !== undefined && { error_description }) };
  throw createCallbackError("neither code nor error");
}

/**
 * The application never gets these: `code` and `state` are secrets of this login, and a token that came through the browser
 * has not been verified.
 */
const WITHHELD_PARAMETERS = ["code", "state", "access_token", "id_token", "refresh_token"];

/** In bytes, as JSON. A posted answer travels on in an address, which must stay short. */
const MAX_MEMBERS_BYTES = 4096;

/**
 * All other members of the answer, such as the `user` of Apple and `session_state`. A member that comes twice is omitted,
 * as nothing says which of the two counts, and so is `__proto__`.
 */
function parseMembers(parameters: URLSearchParams): { members?: Record<string, string> } {
  const repeated = findRepeatedNames(parameters);
  const entries = [...parameters].filter(
    ([name, value]) =>
      value !== "" && name !== "__proto__" && !WITHHELD_PARAMETERS.includes(name) && !repeated.has(name),
  );
  if (entries.length === 0) return {};
  const members = Object.fromEntries(entries);
  const size = Buffer.byteLength(JSON.stringify(members));
  if (size > MAX_MEMBERS_BYTES)
    throw createCallbackError(
      `the members beside code and state have ${size} bytes, over ${MAX_MEMBERS_BYTES}`,
    );
  return { members };
}

/** Takes linear time: a form of 64 KiB may hold 20,000 names, and anybody may post one. */
function findRepeatedNames(parameters: URLSearchParams): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of parameters.keys()) (seen.has(name) ? repeated : seen).add(name);
  return repeated;
}

/**
 * Adds the error that the provider has sent to a failure that comes before it is looked at, such as a login whose cookie is
 * missing. Otherwise the developer would never see it.
 */
export function addProviderError(failure: unknown, response: AuthorizationResponse | undefined): unknown {
  if (!(failure instanceof PortalAuthError) || response?.error === undefined) return failure;
  const error = printable(response.error);
  const {
    code,
    detail,
    providerDescription = response.error_description,
    challenge,
    sentence,
    retryAfter,
  } = failure;
  if (detail === error) return failure; // it is about this error
  const seen = [detail, `the provider answered ${error}`].filter(Boolean).join("; ");
  return new PortalAuthError(code, {
    detail: seen,
    providerDescription,
    sentence,
    retryAfter,
    ...(challenge && { challenge }),
    ...("cause" in failure && { cause: failure.cause }),
  });
}

const createCallbackError = (detail: string, providerDescription?: string) =>
  new PortalAuthError("callback_invalid", { detail, providerDescription });
