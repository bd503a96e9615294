import * as oidc from "openid-client";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSafeUrl } from "../http/safe-url.js";
import type { Settings } from "../settings/settings.js";
import { isSymmetric } from "../settings/signature-algorithms.js";
import { epochSeconds } from "../util/time.js";
import { clientSecretBasic } from "./client-secret-basic.js";
import { fetchDiscoveryDocument } from "./discovery-document.js";
import { toPrintable } from "./explain-failure.js";
import { resolveIdTokenAlgorithms, resolveUserInfoAlgorithms } from "./id-token-algorithms.js";
import { createProviderFetch, type ProviderFetch } from "./provider-fetch.js";
import { hasTenants, ProviderIssuer } from "./provider-issuer.js";
import { RefetchByKid, RefetchRarely } from "./refetch-policy.js";
import { getInternalOrigin, toServerUrl } from "./server-url.js";
import { SigningKeys } from "./signing-keys.js";
import { withNormalizedTokenResponses } from "./token-response.js";
import { createVerifier, type VerifySignature } from "./verify-signature.js";

/** Age at which the provider is discovered again. */
const REDISCOVER_AFTER_SECONDS = 60 * 60;
const RETRY_AFTER_SECONDS = 60;

/** The provider, as its discovery document and the options describe it. */
export interface Provider {
  readonly settings: Settings;
  readonly configuration: oidc.Configuration;
  /** The endpoints that this server requests are at the option `internalUrl`, if it is set. */
  readonly metadata: Readonly<oidc.ServerMetadata>;
  readonly issuer: ProviderIssuer;
  /** The accepted signature algorithms of ID tokens and logout tokens. */
  readonly idTokenAlgorithms: readonly string[];
  /** Names of the parameters of a logout. The standard ones if the document announces the endpoint. */
  readonly logoutParameters: Settings["profile"]["logoutParameters"];
  readonly verifySignature: VerifySignature;
  /** Verifies a signed response of the userinfo endpoint. */
  readonly verifyUserInfo: VerifySignature;
  /** Verifies a token that any sender can post, such as a logout token. */
  readonly verifyUntrustedToken: VerifySignature;
}

/** Returns the provider, which is discovered at the first call. */
export type GetProvider = () => Promise<Provider>;

/**
 * Creates the function that discovers the provider. Discovery runs at the first call, once for all concurrent
 * callers. The result is reused.
 *
 * After one hour the provider is discovered again in the background. Meanwhile callers get the previous
 * result, so an unreachable provider affects no one. A failure is not remembered: the next call tries again.
 */
export function createDiscovery(settings: Settings): GetProvider {
  // All discoveries share one fetch, because it remembers a Retry-After.
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings), settings.clock);
  let discovered: Provider | undefined;
  let rediscoverAt = 0;
  let pending: Promise<Provider> | undefined;

  function discoverOnce(): Promise<Provider> {
    pending ??= discover(settings, fetch)
      .then((provider) => {
        discovered = provider;
        rediscoverAt = epochSeconds() + REDISCOVER_AFTER_SECONDS;
        return provider;
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  return async function getProvider() {
    if (!discovered) return discoverOnce();
    if (epochSeconds() >= rediscoverAt) {
      rediscoverAt = epochSeconds() + RETRY_AFTER_SECONDS;
      discoverOnce().catch(() => {}); // requests continue to use the previous result
    }
    return discovered;
  };
}

async function discover(settings: Settings, fetch: ProviderFetch): Promise<Provider> {
  const document = await fetchDiscoveryDocument(settings, fetch);
  const algorithms = resolveIdTokenAlgorithms(
    settings.idTokenAlg,
    document.id_token_signing_alg_values_supported,
  );
  if (algorithms.length === 0)
    throw createDiscoveryError(describeMissingAlgorithm(document.id_token_signing_alg_values_supported));
  const metadata = resolveEndpoints(document, settings);
  checkEndpointUrls(metadata, settings);
  const configuration = await createConfiguration(metadata, algorithms, settings);
  configuration[oidc.customFetch] = withNormalizedTokenResponses(fetch, metadata.token_endpoint);
  configuration.timeout = 0; // the timeout of createProviderFetch() also covers the body
  const keys = new SigningKeys(metadata.jwks_uri ?? "", fetch);
  const verifier = { algorithms, keys, secret: settings.clientSecret };
  const userInfoAlgorithms = resolveUserInfoAlgorithms(
    algorithms,
    document.userinfo_signing_alg_values_supported,
  );
  const refetch = new RefetchByKid();
  return {
    settings,
    configuration,
    metadata,
    issuer: new ProviderIssuer(metadata.issuer, settings.allowedTenants),
    idTokenAlgorithms: algorithms,
    logoutParameters:
      document.end_session_endpoint === undefined ? settings.profile.logoutParameters : "openid",
    verifySignature: createVerifier({ ...verifier, refetch }),
    verifyUserInfo: createVerifier({ ...verifier, algorithms: userInfoAlgorithms, refetch }),
    verifyUntrustedToken: createVerifier({ ...verifier, refetch: new RefetchRarely() }),
  };
}

const describeMissingAlgorithm = (announced: unknown): string =>
  `id_token_signing_alg_values_supported has only ${toPrintable(String(announced))}: set PORTAL_ID_TOKEN_ALG`;

/** Turns off openid-client's own checks of times, in seconds. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/**
 * Only for this host, openid-client replaces the issuer's tenant by a token's `tid` before it compares. No
 * request goes there.
 */
const ENTRA_URL = new URL("https://login.microsoftonline.com/");

/** Creates openid-client's configuration for the provider. */
async function createConfiguration(
  metadata: oidc.ServerMetadata,
  algorithms: readonly string[],
  { clientId, clientSecret, clientAuth, issuer, internalUrl }: Settings,
): Promise<oidc.Configuration> {
  const methods = {
    client_secret_post: oidc.ClientSecretPost,
    client_secret_basic: clientSecretBasic,
    none: oidc.None,
  };
  const auth = methods[clientAuth](clientSecret as string);
  const client = {
    client_secret: clientSecret,
    id_token_signed_response_alg: algorithms.length === 1 ? algorithms[0] : [...algorithms],
    // checkTimes() checks the times of an ID token. For a wrong clock openid-client would discard the whole
    // response, and it can contain the only valid refresh token.
    [oidc.clockTolerance]: ANY_TIME,
  } as Partial<oidc.ClientMetadata>;
  const configuration = hasTenants(metadata.issuer)
    ? await oidc.discovery(ENTRA_URL, clientId, client, auth, {
        [oidc.customFetch]: async () => Response.json(metadata),
      })
    : new oidc.Configuration(metadata, clientId, client, auth);
  // The settings and checkEndpointUrls() allow http only on loopback and at internalUrl.
  if ([issuer, internalUrl].some((url) => url?.startsWith("http:")))
    oidc.allowInsecureRequests(configuration);
  return configuration;
}

/**
 * Options override the discovery document, and the document overrides the profile. Requests of this server go
 * to `internalUrl`.
 */
function resolveEndpoints(document: oidc.ServerMetadata, settings: Settings): oidc.ServerMetadata {
  const { userinfo, revocation, logout } = settings.profile.endpoints;
  const withIssuer = (path: string | undefined) => path && settings.issuer + path;
  const forBrowsers = {
    authorization_endpoint: settings.authorizationUrl ?? document.authorization_endpoint,
    end_session_endpoint: settings.logoutUrl ?? document.end_session_endpoint ?? withIssuer(logout),
  };
  const forThisServer = {
    token_endpoint: settings.tokenUrl ?? document.token_endpoint,
    jwks_uri: settings.jwksUrl ?? document.jwks_uri,
    userinfo_endpoint: settings.userinfoUrl ?? document.userinfo_endpoint ?? withIssuer(userinfo),
    revocation_endpoint: settings.revocationUrl ?? document.revocation_endpoint ?? withIssuer(revocation),
  };
  const internal = Object.entries(forThisServer).map(([name, url]) => [
    name,
    typeof url === "string" ? toServerUrl(url, settings) : url,
  ]);
  const known = [...Object.entries(forBrowsers), ...internal].filter(([, url]) => url !== undefined);
  return { ...document, ...Object.fromEntries(known) };
}

const BROWSER_ENDPOINTS = ["authorization_endpoint", "end_session_endpoint"];
const SERVER_ENDPOINTS = ["token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint"];
const REQUIRED_ENDPOINTS = ["authorization_endpoint", "token_endpoint"];

/**
 * Browsers and secrets are sent to these URLs. None may run a script, and none may be http if the issuer is
 * https.
 */
function checkEndpointUrls(metadata: oidc.ServerMetadata, settings: Settings): void {
  const { issuer, idTokenAlg } = settings;
  const internal = getInternalOrigin(settings);
  const required = isSymmetric(idTokenAlg) ? REQUIRED_ENDPOINTS : [...REQUIRED_ENDPOINTS, "jwks_uri"];
  const isSafe = (url: string): boolean =>
    isSafeUrl(url) && (url.startsWith("https:") || issuer.startsWith("http:"));
  const isValid = (name: string): boolean => {
    const url = metadata[name];
    if (url === undefined) return !required.includes(name);
    if (typeof url !== "string" || !URL.canParse(url)) return false;
    const isInternal = new URL(url).origin === internal;
    if (BROWSER_ENDPOINTS.includes(name))
      return isSafe(url) && (!isInternal || internal === new URL(issuer).origin);
    return isInternal || isSafe(url);
  };
  const invalidNames = [...BROWSER_ENDPOINTS, ...SERVER_ENDPOINTS].filter((name) => !isValid(name));
  if (invalidNames.length > 0)
    throw createDiscoveryError(describeInvalidEndpoints(metadata, invalidNames, internal));
}

/**
 * Distinguishes internal URLs, because they have another cause: Keycloak without a configured host name
 * writes the host of the request into its document.
 */
function describeInvalidEndpoints(
  metadata: oidc.ServerMetadata,
  invalidNames: readonly string[],
  internalOrigin: string | undefined,
): string {
  const isInternal = (url: unknown) =>
    typeof url === "string" && URL.canParse(url) && new URL(url).origin === internalOrigin;
  const internal = invalidNames.filter(
    (name) => BROWSER_ENDPOINTS.includes(name) && isInternal(metadata[name]),
  );
  const others = invalidNames.filter((name) => !internal.includes(name));
  const parts: string[] = [];
  if (others.length > 0) parts.push(`${others.join(", ")}: missing or not an https URL`);
  if (internal.length > 0)
    parts.push(
      `${internal.join(", ")}: browsers do not reach PORTAL_INTERNAL_URL: ` +
        "configure the provider's public host name",
    );
  return parts.join("; ");
}

const createDiscoveryError = (detail: string) => new PortalAuthError("discovery_invalid", { detail });
