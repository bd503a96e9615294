import type { Clock } from "../contract/clock.js";
import type { Hooks } from "../contract/hooks.js";
import type { Logger } from "../contract/logger.js";
import type { RenderPage } from "../contract/page-parts.js";
import type { PartialWords } from "../errors/page-texts/words.js";
import type { StoreInput } from "../store/store-option.js";
import type { PortalAuthOptions, Routes } from "./portal-auth-options.js";
import type { NoncePolicy, Profile } from "./profiles.js";
import type { IdTokenAlgorithm } from "./signature-algorithms.js";

/** The resolved configuration of one portalAuth(). It is frozen. */
export interface Settings {
  /** Undefined for a portalAuth() without a name. */
  readonly name: string | undefined;
  /** The option without the slash at its end, so that adding or removing the slash ends no session. */
  readonly issuer: string;
  /** The option as it was written, for messages and for a provider without discovery. */
  readonly issuerAsWritten: string;
  readonly discoveryUrl: string | undefined;
  /** Without the slash at its end. */
  readonly internalUrl: string | undefined;
  /** Ids in lower case, or `*` for all. */
  readonly allowedTenants: "*" | readonly string[] | undefined;
  readonly profile: Profile;
  readonly clientId: string;
  readonly clientSecret: string | undefined;
  readonly clientAuth: NonNullable<PortalAuthOptions["clientAuth"]>;
  readonly redirectUri: string;
  readonly tlsTerminated: boolean;
  readonly scope: string;
  readonly authorizationParams: NonNullable<PortalAuthOptions["authorizationParams"]>;
  readonly nonce: NoncePolicy;
  readonly idTokenAlg: IdTokenAlgorithm | undefined;
  readonly authorizationUrl: string | undefined;
  readonly tokenUrl: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly userinfoUrl: string | undefined;
  readonly revocationUrl: string | undefined;
  readonly logoutUrl: string | undefined;
  /** Undefined for the start page: see external-url.ts. */
  readonly postLogoutRedirectUri: string | undefined;
  readonly httpTimeout: number;
  readonly clockTolerance: number;
  readonly refreshLeeway: number;
  readonly loginTimeout: number;
  /** Undefined for the start page. */
  readonly lateCallbackPath: string | undefined;
  readonly apiOrigins: readonly string[];
  readonly rolesClaim: string;
  readonly silentLogin: boolean;
  readonly thirdPartyLogin: boolean;
  readonly backchannelLogout: boolean;
  readonly frontchannelLogout: boolean;
  /** The path of each route; false for a route that is off. */
  readonly routes: Routes;
  readonly hooks: Readonly<Hooks>;
  readonly secrets: readonly string[];
  /** A store, or the URL of one; undefined for the memory of this process. */
  readonly store: StoreInput | undefined;
  readonly tokenEncryptionKeys: readonly string[];
  readonly sameSite: "lax" | "strict";
  readonly sessionIdle: number;
  readonly sessionAbsolute: number;
  readonly keepSessionKeys: readonly string[];
  readonly sessionClaims: readonly string[];
  readonly languages: Readonly<Record<string, PartialWords>>;
  readonly renderPage: RenderPage | undefined;
  readonly logger: Logger | undefined;
  readonly clock: Clock;
  /** Whether browsers reach the app over https: decides `Secure` and the `__Host-` prefix of our cookies. */
  readonly https: boolean;
}
