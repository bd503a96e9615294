import { isSafeUrl } from "../../http/safe-url.js";
import { DEMO_USERS, type DemoUser } from "./demo-users.js";

/** An application as it is registered at the portal. */
export interface ProviderClient {
  /** The client_id. */
  clientId: string;
  /** Without a secret it is a public client: PKCE mode, and no refresh tokens. */
  clientSecret?: string | undefined;
  /** Where logins may lead back to, to the letter. */
  redirectUris: string[];
  /** Where logouts may lead to, to the letter. */
  logoutRedirectUris?: string[] | undefined;
  /** Where the application hears of logouts (OpenID Connect Back-Channel Logout 1.0); for `document: "full"`. */
  backchannelLogoutUri?: string | undefined;
  /** What the portal frames at a logout (OpenID Connect Front-Channel Logout 1.0); for `document: "full"`. */
  frontchannelLogoutUri?: string | undefined;
  /** How the application means to authenticate. The portal takes post and basic alike where there is a secret. */
  clientAuth?: "client_secret_post" | "client_secret_basic" | "none" | undefined;
}

/** How ID tokens are signed (RFC 7518, section 3.1; RFC 8037). */
export type SigningAlg = "RS256" | "PS256" | "ES256" | "EdDSA";

export interface LocalProviderOptions extends ProviderClient {
  /** Default 0: a free one. The portal listens on 127.0.0.1 only. */
  port?: number | undefined;
  /** Further applications, for what happens when one uses the code or the token of another. */
  moreClients?: ProviderClient[] | undefined;
  /**
   * Whether any http address on loopback will do as a redirect address, and after a logout: for tests, whose app gets its
   * port when it starts. Default false: only what is registered, to the letter.
   */
  anyLoopbackAddress?: boolean | undefined;
  /** How long an access token lives, in seconds. Default 300. */
  accessTokenSeconds?: number | undefined;
  /** Default true: each refresh gives a new refresh token, and the old one is gone at once. */
  rotateRefreshTokens?: boolean | undefined;
  /** Default true: the ID token of a login carries the nonce that was sent. */
  echoNonce?: boolean | undefined;
  /**
   * "portal", the default: the sparse discovery document and the bare answers of the portal's own pages.
   * "full": what any standard OpenID provider says, `iss` in authorization answers and a standard /logout included.
   */
  document?: "portal" | "full" | undefined;
  /** Default RS256. */
  signingAlg?: SigningAlg | undefined;
  /**
   * What follows the provider's address in its issuer identifier: `/` as at Auth0, or `/{tenantid}/v2.0` as at Microsoft
   * Entra, together with `tenant`. The discovery document is served below every path then. Default nothing.
   */
  issuerSuffix?: string | undefined;
  /**
   * The Microsoft Entra tenant of all users: it stands in their tokens as `tid`, and in `iss` in place of `{tenantid}`. The
   * discovery document keeps the placeholder. Default none.
   */
  tenant?: string | undefined;
  /**
   * How strongly people can authenticate, the usual way first; with `document: "full"`. Who is asked for another one, by
   * `acr_values`, has to log in again, and is told so in the ID token (`acr`). Default none: it tells no `acr`.
   */
  acrValues?: readonly string[] | undefined;
  /** Who can log in. Default: DEMO_USERS. */
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

/** @throws TypeError for an unknown option, such as a misspelt one: the portal would ignore it */
export function resolveLocalProviderOptions(options: LocalProviderOptions): LocalProviderSettings {
  const {
    clientId,
    clientSecret,
    redirectUris,
    logoutRedirectUris,
    clientAuth,
    moreClients = [],
    ...server
  } = options;
  const {
    backchannelLogoutUri,
    frontchannelLogoutUri,
    port,
    document,
    users = DEMO_USERS,
    ...behaviour
  } = server;
  const {
    anyLoopbackAddress = false,
    accessTokenSeconds = 300,
    rotateRefreshTokens = true,
    ...others
  } = behaviour;
  const {
    echoNonce = true,
    signingAlg = "RS256",
    issuerSuffix = "",
    tenant,
    acrValues = [],
    ...unknown
  } = others;
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw new TypeError(`startTestProvider: there is no option ${name}`);
  const channels = { backchannelLogoutUri, frontchannelLogoutUri };
  return {
    clients: [
      { clientId, clientSecret, redirectUris, logoutRedirectUris, clientAuth, ...channels },
      ...moreClients,
    ],
    anyLoopbackAddress,
    accessTokenSeconds,
    rotateRefreshTokens,
    echoNonce,
    full: document === "full",
    signingAlg,
    issuerSuffix,
    tenant,
    acrValues,
    users: new Map(users.map((person) => [person.sub, person])),
  };
}

/** Whether this address will do for this client. */
export function isRegisteredUrl(
  { anyLoopbackAddress }: Pick<LocalProviderSettings, "anyLoopbackAddress">,
  registered: readonly string[] | undefined,
  address: string,
): boolean {
  if (registered?.includes(address)) return true;
  return anyLoopbackAddress && address.startsWith("http:") && isSafeUrl(address);
}

/** Returns the issuer identifier as tokens have it. */
export const getTokenIssuer = (
  address: string,
  { issuerSuffix, tenant = "" }: LocalProviderSettings,
): string => address + issuerSuffix.replace("{tenantid}", tenant);
