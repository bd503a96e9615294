import { PortalAuthError } from "../errors/portal-auth-error.js";
import { cleanDescription } from "../provider/clean-description.js";
import type { AuthorizationResponse } from "../provider/exchange-code.js";
import { toPrintable } from "../provider/explain-failure.js";
import { omitUndefined } from "../util/omit-undefined.js";

/**
 * The parameters of RFC 6749, sections 4.1.2 and 4.1.2.1, RFC 9207 and OpenID Connect Session Management 1.0.
 */
const SINGLE_PARAMETERS = [
  "state",
  "code",
  "error",
  "error_description",
  "error_uri",
  "iss",
  "session_state",
];

/** Proxies limit a URL to 8 KiB. A provider would reject a longer value with a message of its own. */
const MAX_PARAMETER_CHARACTERS = 8192;
const LIMITED_PARAMETERS = ["state", "code", "error", "iss"];

/**
 * Parses the provider's authorization response. An empty parameter counts as missing. A repeated parameter is
 * rejected, because two programs may read different values of it.
 *
 * @param secrets These are removed from the description of an error.
 * @returns The state with the code and the other members, or the state with the provider's error.
 * @throws PortalAuthError `callback_invalid` in these cases:
 *   - A parameter is repeated or too long.
 *   - The state is missing.
 *   - The response has both a code and an error, or neither.
 *   - The other members have over 4 KiB.
 */
export function parseAuthorizationResponse(
  parameters: URLSearchParams,
  secrets: readonly (string | undefined)[] = [],
): AuthorizationResponse {
  checkParameters(parameters);
  const read = (name: string) => parameters.get(name) || undefined; // an empty parameter counts as missing
  const state = read("state");
  const code = read("code");
  const error = read("error");
  const iss = read("iss");
  const error_description = cleanDescription(read("error_description"), [...secrets, state, code]);
  // Some providers omit the state of an error. The developer needs to see that error.
  if (state === undefined && error !== undefined)
    throw createCallbackError(`state missing, error ${toPrintable(error)}`, error_description);
  if (state === undefined) throw createCallbackError("state missing");
  if (code !== undefined && error !== undefined) throw createCallbackError("code and error");
  if (code !== undefined) return { state, iss, code, ...parseMembers(parameters) };
  if (error !== undefined) return { state, iss, error, ...omitUndefined({ error_description }) };
  throw createCallbackError("neither code nor error");
}

/** @throws PortalAuthError `callback_invalid` if a parameter is repeated or too long */
function checkParameters(parameters: URLSearchParams): void {
  const repeated = SINGLE_PARAMETERS.find((name) => parameters.getAll(name).length > 1);
  if (repeated) throw createCallbackError(`${repeated} more than once`);
  const long = LIMITED_PARAMETERS.find(
    (name) => (parameters.get(name) ?? "").length > MAX_PARAMETER_CHARACTERS,
  );
  if (long) throw createCallbackError(`${long} over ${MAX_PARAMETER_CHARACTERS} characters`);
}

/**
 * Parameters that the application never gets. `code` and `state` are secrets of this login. A token that came
 * through the browser is not verified.
 */
const WITHHELD_PARAMETERS = ["code", "state", "access_token", "id_token", "refresh_token"];

/** In bytes of JSON. A posted response becomes part of a URL, which must be short. */
const MAX_MEMBERS_BYTES = 4096;

/**
 * Returns the members of the response that the application gets, such as Apple's `user`, and `session_state`.
 * These are omitted: members without a value, WITHHELD_PARAMETERS, `__proto__`, and repeated members, because
 * it is unknown which value counts.
 *
 * @returns an object without `members` if none is left
 * @throws PortalAuthError `callback_invalid` if they have over 4 KiB of JSON
 */
function parseMembers(parameters: URLSearchParams): { members?: Record<string, string> } {
  const repeated = findRepeatedNames(parameters);
  const entries = [...parameters].filter(
    ([name, value]) =>
      value !== "" && name !== "__proto__" && !WITHHELD_PARAMETERS.includes(name) && !repeated.has(name),
  );
  if (entries.length === 0) return {};
  const members = Object.fromEntries(entries);
  const bytes = Buffer.byteLength(JSON.stringify(members));
  if (bytes > MAX_MEMBERS_BYTES)
    throw createCallbackError(
      `the members beside code and state have ${bytes} bytes, over ${MAX_MEMBERS_BYTES}`,
    );
  return { members };
}

/** Takes linear time: an attacker may post a form of 64 KiB with 20,000 names. */
function findRepeatedNames(parameters: URLSearchParams): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const name of parameters.keys()) (seen.has(name) ? repeated : seen).add(name);
  return repeated;
}

/**
 * Adds the provider's error to the detail of a failure that happened before that error was checked, e.g.
 * because of a missing login cookie. Without it, the developer would never see the provider's error. Code,
 * cause and user message of the failure stay.
 *
 * @returns a new error. It is the failure itself if the response has no error, if the failure is about that
 *   error, or if it is no PortalAuthError.
 */
export function withProviderError(failure: unknown, response: AuthorizationResponse | undefined): unknown {
  if (!(failure instanceof PortalAuthError) || response?.error === undefined) return failure;
  const error = toPrintable(response.error);
  const { code, detail, challenge, sentence, retryAfter } = failure;
  if (detail === error) return failure; // the failure is about this error
  const { providerDescription = response.error_description } = failure;
  const fullDetail = [detail, `the provider answered ${error}`].filter(Boolean).join("; ");
  return new PortalAuthError(code, {
    detail: fullDetail,
    providerDescription,
    sentence,
    retryAfter,
    ...omitUndefined({ challenge }),
    ...("cause" in failure && { cause: failure.cause }),
  });
}

const createCallbackError = (detail: string, providerDescription?: string) =>
  new PortalAuthError("callback_invalid", { detail, providerDescription });
