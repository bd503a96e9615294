import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { omitUndefined } from "../util/omit-undefined.js";

/** The JSON of a failure for scripts: `application/problem+json` (RFC 9457). */
export interface Problem {
  /** `urn:express-portal-auth:` and the code (RFC 9457, section 3.1.1). */
  readonly type: string;
  /** The user message, in the language of the browser. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** The error code, as in PortalAuthError. */
  readonly code: string;
  /** The log line contains the same id. */
  readonly request_id: string;
  /** With a 401: the URL where the user can sign in. */
  readonly login?: string;
  /**
   * With `insufficient_user_authentication`: the required `acr`, for the query of that URL (RFC 9470, section
   * 3).
   */
  readonly acr_values?: string;
  /** With `insufficient_user_authentication`: the maximum age of the login, in seconds. */
  readonly max_age?: string;
}

/** Creates the problem of an error. */
export function createProblem(
  { code, status, challenge = {} }: PortalAuthError,
  title: string,
  request_id: string,
  login: string | undefined,
): Problem {
  const type = `urn:express-portal-auth:${code}`;
  const { acr_values, max_age } = challenge;
  return omitUndefined({ type, title, status, code, request_id, login, acr_values, max_age });
}
