import * as oidc from "openid-client";
import { omitUndefined } from "../util/omit-undefined.js";
import type { Provider } from "./discovery.js";
import { explainFailure } from "./explain-failure.js";
import { replaceQueryParameters } from "./replace-query-parameters.js";

/**
 * Revokes a token at the provider (RFC 7009). Revoking the refresh token revokes its access token as well.
 * Does nothing if the provider has no revocation endpoint.
 *
 * @throws PortalAuthError if the provider is unreachable, or rejects the request
 */
export async function revokeToken(provider: Provider, token: string): Promise<void> {
  if (!provider.metadata.revocation_endpoint) return;
  await oidc.tokenRevocation(provider.configuration, token).catch((error) => {
    throw explainFailure(error, "revocation", [provider.settings.clientSecret, token]);
  });
}

/** The URL travels in a header, and many proxies limit all headers to 4 KiB. */
const MAX_HINT_CHARACTERS = 2500;

/**
 * Returns the URL that ends the session at the provider. Without a visit to it, the next login needs no
 * password. Undefined if the provider has no such URL. The parameters are those of OpenID Connect
 * RP-Initiated Logout 1.0, section 2. A Tencent CIAM that does not announce the endpoint has its own (product
 * page 1148/51486).
 *
 * A long ID token is omitted. `client_id` identifies the client as well.
 *
 * @param postLogoutRedirectUri where the provider redirects the browser afterwards
 */
export function buildLogoutUrl(
  provider: Provider,
  idToken: string | undefined,
  postLogoutRedirectUri: string,
): URL | undefined {
  const { metadata, configuration, settings, logoutParameters } = provider;
  if (!metadata.end_session_endpoint) return undefined;
  const target =
    logoutParameters === "tencent-ciam"
      ? { logout_redirect_uri: postLogoutRedirectUri }
      : { id_token_hint: toShortHint(idToken), post_logout_redirect_uri: postLogoutRedirectUri };
  const parameters: Record<string, string> = {
    client_id: settings.clientId,
    ...omitUndefined(target),
    state: oidc.randomState(),
  };
  return replaceQueryParameters(oidc.buildEndSessionUrl(configuration, parameters), parameters);
}

const toShortHint = (idToken: string | undefined): string | undefined =>
  idToken !== undefined && idToken.length <= MAX_HINT_CHARACTERS ? idToken : undefined;
