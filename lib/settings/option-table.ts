import * as v from "valibot";
import type { Clock } from "../contract/clock.js";
import type { Hooks } from "../contract/hooks.js";
import type { Logger } from "../contract/logger.js";
import type { RenderPage } from "../contract/page-parts.js";
import type { WordsGiven } from "../errors/languages/words.js";
import { isSafeUrl } from "../http/safe-url.js";
import { reservedKey } from "../session/reserved-keys.js";
import { isStore, whyNoStore } from "../store/open-store.js";
import { isStoreAddress, MEMORY } from "../store/store-address.js";
import type { StoreObject } from "../store/store-given.js";
import { systemClock } from "../util/time.js";
import { hasOpenid } from "./authorization-params.js";
import {
  address,
  internalAddress,
  origins,
  pathOfSite,
  plainAddress,
  route,
  seconds,
  secrets,
  tenants,
  text,
  toggle,
} from "./checks.js";
import type { PortalAuthOptions } from "./options.js";
import { PROFILES, type ProfileName } from "./profiles.js";
import { ID_TOKEN_ALGORITHMS } from "./signature-algorithms.js";

/** The variable of each option that has one. README's table is compared with it by a test. */
export const VARIABLES = {
  issuer: "PORTAL_ISSUER",
  discoveryUrl: "PORTAL_DISCOVERY_URL",
  internalUrl: "PORTAL_INTERNAL_URL",
  allowedTenants: "PORTAL_ALLOWED_TENANTS",
  profile: "PORTAL_PROFILE",
  clientId: "PORTAL_CLIENT_ID",
  clientSecret: "PORTAL_CLIENT_SECRET",
  clientAuth: "PORTAL_CLIENT_AUTH",
  redirectUri: "PORTAL_REDIRECT_URI",
  tlsTerminated: "PORTAL_TLS_TERMINATED",
  scope: "PORTAL_SCOPE",
  authorizationParams: "PORTAL_AUTH_SOURCE_ID",
  nonce: "PORTAL_NONCE",
  idTokenAlg: "PORTAL_ID_TOKEN_ALG",
  authorizationUrl: "PORTAL_AUTHORIZATION_URL",
  tokenUrl: "PORTAL_TOKEN_URL",
  jwksUrl: "PORTAL_JWKS_URL",
  userinfoUrl: "PORTAL_USERINFO_URL",
  revocationUrl: "PORTAL_REVOCATION_URL",
  logoutUrl: "PORTAL_LOGOUT_URL",
  postLogoutRedirectUri: "PORTAL_POST_LOGOUT_REDIRECT_URI",
  httpTimeout: "PORTAL_HTTP_TIMEOUT",
  clockTolerance: "PORTAL_CLOCK_TOLERANCE",
  refreshLeeway: "PORTAL_REFRESH_LEEWAY",
  loginTimeout: "PORTAL_LOGIN_TIMEOUT",
  lateCallbackPath: "PORTAL_LATE_CALLBACK_PATH",
  apiOrigins: "PORTAL_API_ORIGINS",
  rolesClaim: "PORTAL_ROLES_CLAIM",
  silentLogin: "PORTAL_SILENT_LOGIN",
  thirdPartyLogin: "PORTAL_THIRD_PARTY_LOGIN",
  backchannelLogout: "PORTAL_BACKCHANNEL_LOGOUT",
  frontchannelLogout: "PORTAL_FRONTCHANNEL_LOGOUT",
  secret: "SESSION_SECRET",
  store: "SESSION_STORE_URL",
  tokenEncryptionKey: "TOKEN_ENCRYPTION_KEY",
  sameSite: "SESSION_SAME_SITE",
  sessionIdle: "SESSION_IDLE",
  sessionAbsolute: "SESSION_ABSOLUTE",
} as const satisfies Partial<Record<keyof PortalAuthOptions, string>>;

/** Variables that may come from a file: NAME_FILE. */
export const SECRETS: readonly string[] = [
  VARIABLES.clientSecret,
  VARIABLES.secret,
  VARIABLES.store, // its password
  VARIABLES.tokenEncryptionKey,
];

export const DEFAULTS = {
  clientAuth: "client_secret_post",
  tlsTerminated: false,
  scope: "openid",
  httpTimeout: 10,
  clockTolerance: 30,
  refreshLeeway: 30,
  loginTimeout: 600,
  store: MEMORY,
  sameSite: "lax",
  rolesClaim: "roles",
  silentLogin: false,
  thirdPartyLogin: false,
  backchannelLogout: false,
  frontchannelLogout: false,
  routes: {
    login: "/login",
    callback: "/callback",
    logout: "/logout",
    backchannelLogout: "/backchannel-logout",
    frontchannelLogout: "/frontchannel-logout",
  },
  sessionIdle: 24 * 60 * 60,
  sessionAbsolute: 7 * 24 * 60 * 60,
} as const;

/** Said for each part of a check: what the library says by itself repeats the value, and here that is a password. */
const STORE =
  "write memory:, redis://…, rediss://… or postgres://… (in a password #, @ and / are written %23, %40 and %2F), or in code a client of redis or ioredis, a Pool of pg, or an adapter";

const isObject = (value: unknown): boolean =>
  (typeof value === "object" && value !== null) || typeof value === "function";

const secret = (first: string) =>
  `write 32 random characters or more, e.g. from: openssl rand -hex 32 (to rotate, several separated by commas: the first ${first})`;

const LANGUAGES = "write an object of words by language, e.g. { de: { labels: { signIn: 'Anmelden' } } }";

const isLanguage = (tag: string): boolean => /^[a-zA-Z]{2,3}(-[a-zA-Z\d]{2,8})*$/.test(tag);

const isLogger = (value: unknown): boolean =>
  (["warn", "error"] as const).every((name) => typeof (value as Logger | null)?.[name] === "function");

const hook = <Name extends keyof Hooks>() =>
  v.optional(v.custom<NonNullable<Hooks[Name]>>((value) => typeof value === "function", "write a function"));

export const OptionsSchema = v.strictObject(
  {
    name: v.optional(
      v.pipe(
        v.string(),
        v.regex(
          /^[a-zA-Z][\w-]{0,31}$/,
          "write a letter, and then letters, digits and - as you like, 32 at most",
        ),
      ),
    ),
    issuer: plainAddress(
      "write the portal's address, https://… (http only on loopback), as its discovery document spells it",
    ),
    discoveryUrl: v.optional(
      address("write the https address of the provider's discovery document (http only on loopback)"),
    ),
    internalUrl: v.optional(
      internalAddress(
        "write the provider's address in your network, e.g. http://keycloak:8080 (https for a host that the internet knows)",
      ),
    ),
    allowedTenants: v.optional(
      tenants("write ids of Microsoft Entra tenants separated by commas, or * for all"),
    ),
    profile: v.optional(v.picklist(Object.keys(PROFILES) as ProfileName[], "write tencent-ciam or openid")),
    clientId: text("write the client_id that the portal shows for your application"),
    clientSecret: v.optional(text("write the client_secret that the portal shows for your application")),
    clientAuth: v.optional(
      v.picklist(
        ["client_secret_post", "client_secret_basic", "none"],
        "write client_secret_post, client_secret_basic or none",
      ),
      DEFAULTS.clientAuth,
    ),
    redirectUri: v.pipe(
      plainAddress(
        "write the address of your callback, https://… (http only on loopback), as it is registered at the portal, e.g. https://app.example/callback",
      ),
      v.check(
        (value) => !isSafeUrl(value) || new URL(value).href === value,
        "write it as a browser would: lower-case host, no default port, a path",
      ),
    ),
    tlsTerminated: v.optional(toggle, DEFAULTS.tlsTerminated),
    scope: v.optional(
      v.pipe(
        text("write scopes separated by spaces"),
        v.check((value) => hasOpenid(value), "write openid first: without it there is no ID token"),
      ),
      DEFAULTS.scope,
    ),
    authorizationParams: v.optional(
      v.custom<NonNullable<PortalAuthOptions["authorizationParams"]>>(
        (value) =>
          typeof value === "function" ||
          (typeof value === "object" && value !== null && !Array.isArray(value)),
        "write an object, or a function of the request that gives one",
      ),
      {},
    ),
    nonce: v.optional(v.picklist(["required", "optional", "off"], "write required, optional or off")),
    idTokenAlg: v.optional(v.picklist(ID_TOKEN_ALGORITHMS, `write one of ${ID_TOKEN_ALGORITHMS.join(", ")}`)),
    authorizationUrl: v.optional(
      address("write the https address of the provider's authorization endpoint (http only on loopback)"),
    ),
    tokenUrl: v.optional(
      address("write the https address of the provider's token endpoint (http only on loopback)"),
    ),
    jwksUrl: v.optional(
      address("write the https address of the provider's keys, a JWK set (http only on loopback)"),
    ),
    userinfoUrl: v.optional(
      address("write the https address of the provider's userinfo endpoint (http only on loopback)"),
    ),
    revocationUrl: v.optional(
      address("write the https address of the provider's revocation endpoint (http only on loopback)"),
    ),
    logoutUrl: v.optional(
      address("write the https address that ends the provider's own session (http only on loopback)"),
    ),
    postLogoutRedirectUri: v.optional(
      address(
        "write the https address to which the provider redirects after a logout (http only on loopback)",
      ),
    ),
    httpTimeout: v.optional(seconds(0.05, 120), DEFAULTS.httpTimeout),
    clockTolerance: v.optional(seconds(0, 600), DEFAULTS.clockTolerance),
    refreshLeeway: v.optional(seconds(0, 3600), DEFAULTS.refreshLeeway),
    loginTimeout: v.optional(seconds(30, 86_400), DEFAULTS.loginTimeout),
    lateCallbackPath: v.optional(pathOfSite),
    apiOrigins: v.optional(
      origins(
        "write the origins of your APIs, such as https://api.example (http only on loopback), separated by commas",
      ),
      [],
    ),
    rolesClaim: v.optional(
      text("write the name of the claim that holds a person's roles"),
      DEFAULTS.rolesClaim,
    ),
    silentLogin: v.optional(toggle, DEFAULTS.silentLogin),
    thirdPartyLogin: v.optional(toggle, DEFAULTS.thirdPartyLogin),
    backchannelLogout: v.optional(toggle, DEFAULTS.backchannelLogout),
    frontchannelLogout: v.optional(toggle, DEFAULTS.frontchannelLogout),
    routes: v.optional(
      v.strictObject({
        login: route,
        callback: route,
        logout: route,
        backchannelLogout: route,
        session: route,
        form: route,
        frontchannelLogout: route,
      }),
      {},
    ),
    hooks: v.optional(
      v.strictObject({
        onTokens: hook<"onTokens">(),
        onLogin: hook<"onLogin">(),
        onLogout: hook<"onLogout">(),
        onError: hook<"onError">(),
      }),
      {},
    ),
    secret: secrets(secret("signs")),
    store: v.optional(
      v.union(
        [
          v.pipe(
            v.custom<StoreObject>(isObject),
            v.check(
              (value) => isStore(value),
              ({ input }) => whyNoStore(input),
            ),
          ),
          v.pipe(v.string(), v.trim(), v.check(isStoreAddress, STORE)),
        ],
        STORE,
      ),
      DEFAULTS.store,
    ),
    tokenEncryptionKey: v.optional(secrets(secret("seals"))),
    sameSite: v.optional(v.picklist(["lax", "strict"], "write lax or strict"), DEFAULTS.sameSite),
    sessionIdle: v.optional(seconds(1, 400 * 86_400), DEFAULTS.sessionIdle),
    sessionAbsolute: v.optional(seconds(1, 400 * 86_400), DEFAULTS.sessionAbsolute),
    keepSessionKeys: v.optional(
      v.pipe(
        v.array(v.pipe(v.string(), v.nonEmpty()), "write a list of session keys"),
        v.check(
          (keys) => reservedKey(keys) === undefined,
          "write keys of your own: id, cookie, portal and the like are taken",
        ),
      ),
      [],
    ),
    sessionClaims: v.optional(v.array(v.pipe(v.string(), v.nonEmpty()), "write a list of claim names"), []),
    languages: v.optional(
      v.record(
        v.pipe(v.string(), v.check(isLanguage, LANGUAGES)),
        v.custom<WordsGiven>((value) => typeof value === "object" && value !== null, LANGUAGES),
        LANGUAGES,
      ),
      {},
    ),
    renderPage: v.optional(v.custom<RenderPage>((value) => typeof value === "function", "write a function")),
    logger: v.optional(
      v.custom<Logger>(isLogger, "write a logger such as pino's: with the methods warn and error"),
    ),
    clock: v.optional(
      v.custom<Clock>((value) => typeof value === "function", "write a function"),
      () => systemClock,
    ),
  },
  "is not an option of express-portal-auth",
);
