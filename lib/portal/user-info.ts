import * as oidc from "openid-client";
import { PortalAuthError } from "../errors.js";
import type { Claims } from "../tokens.js";
import type { Portal } from "./discover.js";
import { explainFailure, statusOf } from "./explain-failure.js";
import { readClaims } from "./read-claims.js";

/**
 * What the portal tells of the person whose access token this is (OpenID Connect Core 1.0, section 5.3); undefined when
 * it refuses the token with a 401 (RFC 6750, section 3.1).
 *
 * @throws PortalAuthError `userinfo_missing`, `userinfo_refused`, `userinfo_subject_mismatch`, or what kept the portal
 *   from answering
 */
export async function fetchUserInfo(portal: Portal, access_token: string, sub: string): Promise<Claims | undefined> {
  const { configuration, metadata } = portal;
  if (!metadata.userinfo_endpoint) throw new PortalAuthError("userinfo_missing");
  const answer = await oidc.fetchUserInfo(configuration, access_token, oidc.skipSubjectCheck).catch((error) => {
    if (statusOf(error) === 401) return undefined;
    throw explainFailure(error, "userinfo", [access_token]);
  });
  if (!answer) return undefined;
  // section 5.3.2: compared here, to be told apart from an answer that cannot be read
  if (answer.sub !== sub) throw new PortalAuthError("userinfo_subject_mismatch");
  return readClaims(answer, "portal_answer_invalid");
}
