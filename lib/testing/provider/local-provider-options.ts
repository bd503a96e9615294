import { isSafeUrl } from "../../http/safe-url.js";
import { DEMO_USERS, type DemoUser } from "./demo-users.js";

/** An application that is registered at the provider. */
export interface ProviderClient {
  /** The client ID. */
  clientId: string;
  /** The client secret. Without it, the application is a public client, which gets no refresh tokens. */
  clientSecret?: string | undefined;
  /** The URLs to which a login may redirect. They must match exactly. */
  redirectUris: string[];
  /** The URLs to which a logout may redirect. They must match exactly. */
  logoutRedirectUris?: string[] | undefined;
  /**
   * The URL that receives logout tokens (OpenID Connect Back-Channel Logout 1.0). It needs `document:
   * "full"`.
   */
  backchannelLogoutUri?: string | undefined;
  /**
   * The URL that the provider loads in a frame at a logout (OpenID Connect Front-Channel Logout 1.0). It
   * needs `document: "full"`.
   */
  frontchannelLogoutUri?: string | undefined;
  /**
   * The authentication method of the client. With a secret, the provider accepts post and basic. Default
   * "client_secret_post".
   */
  clientAuth?: "client_secret_post" | "client_secret_basic" | "none" | undefined;
}

/** Algorithms for the signatures of ID tokens (RFC 7518, section 3.1; RFC 8037). */
export type SigningAlg = "RS256" | "PS256" | "ES256" | "EdDSA";

export interface LocalProviderOptions extends ProviderClient {
  /** The port on 127.0.0.1. Default 0, which means a free port. */
  port?: number | undefined;
  /** Further applications, for tests in which one application uses a code or a token of another. */
  moreClients?: ProviderClient[] | undefined;
  /**
   * Whether each loopback http URL is a valid redirect URI, also after a logout. This is for apps whose port
   * is known only after their start. Default false: only registered URLs are valid.
   */
  anyLoopbackAddress?: boolean | undefined;
  /** The lifetime of access tokens, in seconds. Default 300. */
  accessTokenSeconds?: number | undefined;
  /**
   * Whether each refresh returns a new refresh token, and makes the old one invalid at once. Default true.
   */
  rotateRefreshTokens?: boolean | undefined;
  /** Whether the ID token of a login contains the nonce of the request. Default true. */
  echoNonce?: boolean | undefined;
  /**
   * The behavior of the provider. "portal" behaves like Tencent CIAM, with its short discovery document and
   * its short error responses. "full" behaves like a standard OpenID provider, with `iss` in authorization
   * responses and a standard logout endpoint. Default "portal".
   */
  document?: "portal" | "full" | undefined;
  /** The algorithm that signs ID tokens. Default "RS256". */
  signingAlg?: SigningAlg | undefined;
  /**
   * The end of the issuer identifier, after the provider's URL. Auth0 uses `/`. Microsoft Entra uses
   * `/{tenantid}/v2.0`, together with the option `tenant`. With a suffix, the discovery document is available
   * below every path. Default "".
   */
  issuerSuffix?: string | undefined;
  /**
   * The Microsoft Entra tenant of all users. Tokens contain it as `tid`, and in `iss` in place of
   * `{tenantid}`. The discovery document contains the placeholder. Default: no tenant.
   */
  tenant?: string | undefined;
  /**
   * The authentication methods that users can choose with `acr_values`; the first one is the default method.
   * A request for another method requires a new login, whose ID token contains the method as `acr`. It needs
   * `document: "full"`. Default: no methods, and no `acr`.
   */
  acrValues?: readonly string[] | undefined;
  /** The users who can sign in. Default: DEMO_USERS. */
  users?: DemoUser[] | undefined;
}

export interface LocalProviderSettings {
  readonly clients: readonly ProviderClient[];
  readonly anyLoopbackAddress: boolean;
  readonly accessTokenSeconds: number;
  readonly rotateRefreshTokens: boolean;
  readonly echoNonce: boolean;
  readonly full: boolean;
  readonly signingAlg: SigningAlg;
  readonly issuerSuffix: string;
  readonly tenant: string | undefined;
  readonly acrValues: readonly string[];
  readonly users: Map<string, DemoUser>;
}

/**
 * Resolves the options and their defaults.
 *
 * @throws TypeError if an option is unknown, for example because it is misspelt
 */
export function resolveLocalProviderOptions(options: LocalProviderOptions): LocalProviderSettings {
  assertKnownOptions(options);
  const { clientId, clientSecret, redirectUris, logoutRedirectUris, clientAuth } = options;
  const { backchannelLogoutUri, frontchannelLogoutUri, moreClients = [] } = options;
  const firstClient: ProviderClient = {
    clientId,
    clientSecret,
    redirectUris,
    logoutRedirectUris,
    clientAuth,
    backchannelLogoutUri,
    frontchannelLogoutUri,
  };
  return {
    clients: [firstClient, ...moreClients],
    anyLoopbackAddress: options.anyLoopbackAddress ?? false,
    accessTokenSeconds: options.accessTokenSeconds ?? 300,
    rotateRefreshTokens: options.rotateRefreshTokens ?? true,
    echoNonce: options.echoNonce ?? true,
    full: options.document === "full",
    signingAlg: options.signingAlg ?? "RS256",
    issuerSuffix: options.issuerSuffix ?? "",
    tenant: options.tenant,
    acrValues: options.acrValues ?? [],
    users: new Map((options.users ?? DEMO_USERS).map((user) => [user.sub, user])),
  };
}

/** The names of all options. The type makes sure that none is missing. */
const OPTION_NAMES: Readonly<Record<keyof LocalProviderOptions, true>> = {
  clientId: true,
  clientSecret: true,
  redirectUris: true,
  logoutRedirectUris: true,
  backchannelLogoutUri: true,
  frontchannelLogoutUri: true,
  clientAuth: true,
  port: true,
  moreClients: true,
  anyLoopbackAddress: true,
  accessTokenSeconds: true,
  rotateRefreshTokens: true,
  echoNonce: true,
  document: true,
  signingAlg: true,
  issuerSuffix: true,
  tenant: true,
  acrValues: true,
  users: true,
};

function assertKnownOptions(options: LocalProviderOptions): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(OPTION_NAMES, name));
  if (unknown !== undefined) throw new TypeError(`startTestProvider: there is no option ${unknown}`);
}

/** Returns whether a redirect may lead to this URL. */
export function isRegisteredUrl(
  { anyLoopbackAddress }: Pick<LocalProviderSettings, "anyLoopbackAddress">,
  registeredUrls: readonly string[] | undefined,
  url: string,
): boolean {
  if (registeredUrls?.includes(url)) return true;
  return anyLoopbackAddress && url.startsWith("http:") && isSafeUrl(url);
}

/** Returns the issuer identifier in tokens. */
export const getTokenIssuer = (
  providerUrl: string,
  { issuerSuffix, tenant = "" }: LocalProviderSettings,
): string => providerUrl + issuerSuffix.replace("{tenantid}", tenant);
