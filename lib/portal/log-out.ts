import * as oidc from "openid-client";
import type { Portal } from "./discover.js";
import { eachOnce } from "./each-once.js";
import { explainFailure } from "./explain-failure.js";

/** Ends a token at the portal (RFC 7009). Ending the refresh token ends its access token as well. */
export async function revoke(portal: Portal, token: string): Promise<void> {
  if (!portal.metadata.revocation_endpoint) return;
  await oidc.tokenRevocation(portal.configuration, token).catch((error) => {
    throw explainFailure(error, "revocation", [portal.settings.clientSecret, token]);
  });
}

/** The hint travels in a header, of which many a proxy takes 4 KiB altogether; client_id says whose logout it is as well. */
const isShort = (idToken: string | undefined): idToken is string => idToken !== undefined && idToken.length <= 2500;

/**
 * Where the browser goes to end the portal's own session: without that visit the next login passes silently.
 * Undefined when the portal has no such address. The portal has parameter names of its own (product page 1148/51486);
 * everybody else follows OpenID Connect RP-Initiated Logout 1.0, section 2.
 *
 * @param postLogoutRedirectUri where the provider sends the browser afterwards
 */
export function logoutUrl(
  { metadata, configuration, settings }: Portal,
  idToken: string | undefined,
  postLogoutRedirectUri: string,
): URL | undefined {
  if (!metadata.end_session_endpoint) return undefined;
  const { clientId: client_id, profile } = settings;
  const parameters = {
    client_id,
    ...(profile.logoutParameters === "tencent-ciam"
      ? { logout_redirect_uri: postLogoutRedirectUri }
      : { ...(isShort(idToken) && { id_token_hint: idToken }), post_logout_redirect_uri: postLogoutRedirectUri }),
    state: oidc.randomState(),
  };
  return eachOnce(oidc.buildEndSessionUrl(configuration, parameters), parameters);
}
