import type { PortalAuthError } from "../errors/portal-auth-error.js";

/** A failure as an API reads it: `application/problem+json` (RFC 9457). */
export interface Problem {
  /** `urn:express-portal-auth:` and the code (RFC 9457, section 3.1.1). */
  readonly type: string;
  /** What the person is told, in the language that their browser asks for. */
  readonly title: string;
  /** The HTTP status. */
  readonly status: number;
  /** The failure's stable name, as in PortalAuthError. */
  readonly code: string;
  /** Stands in the log line as well. */
  readonly request_id: string;
  /** Where a person can log in: with a 401. */
  readonly login?: string;
  /** With `insufficient_user_authentication`: how strong a login must be, for the query of that address (RFC 9470, section 3). */
  readonly acr_values?: string;
  /** Likewise how young, in seconds. */
  readonly max_age?: string;
}

export function createProblem(
  { code, status, challenge = {} }: PortalAuthError,
  title: string,
  request_id: string,
  login: string | undefined,
): Problem {
  const type = `urn:express-portal-auth:${code}`;
  const { acr_values, max_age } = challenge;
  const requirements = {
    ...(acr_values !== undefined && { acr_values }),
    ...(max_age !== undefined && { max_age }),
  };
  return { type, title, status, code, request_id, ...(login !== undefined && { login }), ...requirements };
}
