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

const RENEW_AFTER_SECONDS = 60 * 60;
const RETRY_RENEWAL_SECONDS = 60;

/** The provider as it was discovered. */
export interface Provider {
  readonly settings: Settings;
  readonly configuration: oidc.Configuration;
  /** Endpoints for this server are those of the option `internalUrl`, if it is set. */
  readonly metadata: Readonly<oidc.ServerMetadata>;
  readonly issuer: ProviderIssuer;
  /** ID tokens and logout tokens are signed with one of these. */
  readonly idTokenAlgorithms: readonly string[];
  /** Names of the parameters of a logout. The standard ones, if the document announces the endpoint. */
  readonly logoutParameters: Settings["profile"]["logoutParameters"];
  readonly verifySignature: VerifySignature;
  /** Verifies a signed answer of the userinfo endpoint. */
  readonly verifyUserInfo: VerifySignature;
  /** Verifies a token that anybody can send. */
  readonly verifySentToken: VerifySignature;
}

/** The portal, discovered at the first call. */
export type GetProvider = () => Promise<Provider>;

/**
 * Discovery happens when the first login needs it, once for all that wait, and is remembered. After an hour it is
 * renewed while the old answer still serves, so that a portal that is down then disturbs nobody. A failure is not
 * remembered: the next login tries again.
 */
export function createDiscovery(settings: Settings): GetProvider {
  // one for all discoveries: it remembers a Retry-After
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings), settings.clock);
  let known: Provider | undefined;
  let renewAt = 0;
  let pending: Promise<Provider> | undefined;

  function renew(): Promise<Provider> {
    pending ??= discover(settings, fetch)
      .then((provider) => {
        known = provider;
        renewAt = epochSeconds() + RENEW_AFTER_SECONDS;
        return provider;
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  return async function getPortal() {
    if (!known) return renew();
    if (epochSeconds() >= renewAt) {
      renewAt = epochSeconds() + RETRY_RENEWAL_SECONDS;
      renew().catch(() => {}); // the old one still serves
    }
    return known;
  };
}

async function discover(settings: Settings, fetch: ProviderFetch): Promise<Provider> {
  const found = await fetchDiscoveryDocument(settings, fetch);
  const algorithms = resolveIdTokenAlgorithms(
    settings.idTokenAlg,
    found.id_token_signing_alg_values_supported,
  );
  if (algorithms.length === 0)
    throw createDiscoveryError(describeMissingAlgorithm(found.id_token_signing_alg_values_supported));
  const metadata = resolveEndpoints(found, settings);
  checkEndpointUrls(metadata, settings);
  const configuration = await createConfiguration(metadata, algorithms, settings);
  configuration[oidc.customFetch] = withNormalizedTokenResponses(fetch, metadata.token_endpoint);
  configuration.timeout = 0; // ours covers the reading of the body as well
  const keys = new SigningKeys(metadata.jwks_uri ?? "", fetch);
  const verifier = { algorithms, keys, secret: settings.clientSecret };
  const forUserInfo = resolveUserInfoAlgorithms(algorithms, found.userinfo_signing_alg_values_supported);
  const refetch = new RefetchByKid();
  return {
    settings,
    configuration,
    metadata,
    issuer: new ProviderIssuer(metadata.issuer, settings.allowedTenants),
    idTokenAlgorithms: algorithms,
    logoutParameters: found.end_session_endpoint === undefined ? settings.profile.logoutParameters : "openid",
    verifySignature: createVerifier({ ...verifier, refetch }),
    verifyUserInfo: createVerifier({ ...verifier, algorithms: forUserInfo, refetch }),
    verifySentToken: createVerifier({ ...verifier, refetch: new RefetchRarely() }),
  };
}

const describeMissingAlgorithm = (announced: unknown): string =>
  `id_token_signing_alg_values_supported has only ${toPrintable(String(announced))}: set PORTAL_ID_TOKEN_ALG`;

/** In seconds, as openid-client's clock tolerance. */
const ANY_TIME = Number.MAX_SAFE_INTEGER;

/** For this host alone openid-client puts a token's `tid` into the issuer before it compares. No request goes there. */
const ENTRA_URL = new URL("https://login.microsoftonline.com/");

/** Creates openid-client's view of the provider. */
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
    // An ID token's times are checked by checkTimes(): openid-client throws away the whole answer of a portal whose clock
    // is wrong, and with it a refresh token that is the only good one.
    [oidc.clockTolerance]: ANY_TIME,
  } as Partial<oidc.ClientMetadata>;
  const configuration = hasTenants(metadata.issuer)
    ? await oidc.discovery(ENTRA_URL, clientId, client, auth, {
        [oidc.customFetch]: async () => Response.json(metadata),
      })
    : new oidc.Configuration(metadata, clientId, client, auth);
  // http on loopback, or at internalUrl: checks.ts and checkAddresses() allow no other
  if ([issuer, internalUrl].some((url) => url?.startsWith("http:")))
    oidc.allowInsecureRequests(configuration);
  return configuration;
}

/** What the options say wins over discovery, and discovery over the profile. Requests of this server go to internalUrl. */
function resolveEndpoints(found: oidc.ServerMetadata, settings: Settings): oidc.ServerMetadata {
  const { userinfo, revocation, logout } = settings.profile.endpoints;
  const withIssuer = (path: string | undefined) => path && settings.issuer + path;
  const forBrowsers = {
    authorization_endpoint: settings.authorizationUrl ?? found.authorization_endpoint,
    end_session_endpoint: settings.logoutUrl ?? found.end_session_endpoint ?? withIssuer(logout),
  };
  const forThisServer = {
    token_endpoint: settings.tokenUrl ?? found.token_endpoint,
    jwks_uri: settings.jwksUrl ?? found.jwks_uri,
    userinfo_endpoint: settings.userinfoUrl ?? found.userinfo_endpoint ?? withIssuer(userinfo),
    revocation_endpoint: settings.revocationUrl ?? found.revocation_endpoint ?? withIssuer(revocation),
  };
  const internal = Object.entries(forThisServer).map(([name, url]) => [
    name,
    typeof url === "string" ? toServerUrl(url, settings) : url,
  ]);
  const known = [...Object.entries(forBrowsers), ...internal].filter(([, url]) => url !== undefined);
  return { ...found, ...Object.fromEntries(known) };
}

const BROWSER_ENDPOINTS = ["authorization_endpoint", "end_session_endpoint"];
const SERVER_ENDPOINTS = ["token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint"];
const REQUIRED_ENDPOINTS = ["authorization_endpoint", "token_endpoint"];

/** Browsers and secrets are sent to these addresses: none may be a script, or leave https if the issuer is https. */
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

/** Keycloak without a configured host name writes the address of the request into its document. */
function describeInvalidEndpoints(
  metadata: oidc.ServerMetadata,
  invalidNames: readonly string[],
  inside: string | undefined,
): string {
  const isInternal = (url: unknown) =>
    typeof url === "string" && URL.canParse(url) && new URL(url).origin === inside;
  const internal = invalidNames.filter(
    (name) => BROWSER_ENDPOINTS.includes(name) && isInternal(metadata[name]),
  );
  const others = invalidNames.filter((name) => !internal.includes(name));
  const parts: string[] = [];
  if (others.length > 0) parts.push(`${others.join(", ")}: missing or no https address`);
  if (internal.length > 0)
    parts.push(
      `${internal.join(", ")}: browsers do not reach PORTAL_INTERNAL_URL: configure the provider's public host name`,
    );
  return parts.join("; ");
}

const createDiscoveryError = (detail: string) => new PortalAuthError("discovery_invalid", { detail });
