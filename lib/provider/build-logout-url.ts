import * as oidc from "openid-client";
import type { Provider } from "./discovery.js";
import { explainFailure } from "./explain-failure.js";
import { replaceQueryParameters } from "./replace-query-parameters.js";

/** Ends a token at the portal (RFC 7009). Ending the refresh token ends its access token as well. */
export async function revokeToken(provider: Provider, token: string): Promise<void> {
  if (!provider.metadata.revocation_endpoint) return;
  await oidc.tokenRevocation(provider.configuration, token).catch((error) => {
    throw explainFailure(error, "revocation", [provider.settings.clientSecret, token]);
  });
}

/** The hint travels in a header, of which many a proxy takes 4 KiB altogether; client_id says whose logout it is as well. */
const isShortEnough = (idToken: string | undefined): idToken is string =>
  idToken !== undefined && idToken.length <= 2500;

/**
 * Returns the address that ends the session at the provider. Without that visit the next login needs no password.
 * Undefined if the provider has no such address. The parameters are those of OpenID Connect RP-Initiated Logout 1.0,
 * section 2. A Tencent CIAM that does not announce the endpoint has its own (product page 1148/51486).
 *
 * @param postLogoutRedirectUri Where the provider sends the browser afterwards
 */
export function buildLogoutUrl(
  provider: Provider,
  idToken: string | undefined,
  postLogoutRedirectUri: string,
): URL | undefined {
  const { metadata, configuration, settings, logoutParameters } = provider;
  if (!metadata.end_session_endpoint) return undefined;
  const { clientId: client_id } = settings;
  const parameters = {
    client_id,
    ...(logoutParameters === "tencent-ciam"
      ? { logout_redirect_uri: postLogoutRedirectUri }
      : {
          ...(isShortEnough(idToken) && { id_token_hint: idToken }),
          post_logout_redirect_uri: postLogoutRedirectUri,
        }),
    state: oidc.randomState(),
  };
  return replaceQueryParameters(oidc.buildEndSessionUrl(configuration, parameters), parameters);
}
