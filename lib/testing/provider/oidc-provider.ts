import { randomBytes } from "node:crypto";
import { exportJWK, generateKeyPair } from "jose";
import type { Configuration, JWK } from "oidc-provider";
import { listClaimNames } from "./demo-users.js";
import {
  isRegisteredUrl,
  type LocalProviderSettings,
  type ProviderClient,
} from "./local-provider-options.js";
import { pageHeaders, renderErrorPage } from "./login-pages.js";
import { createMemoryAdapter } from "./memory-adapter.js";

type OidcProviderModule = typeof import("oidc-provider");
export type OidcProvider = InstanceType<OidcProviderModule["default"]>;

const DAY_SECONDS = 86_400;

/**
 * Imports oidc-provider without its warning that it needs Node 22. The tests of this project prove that the
 * features used here also work with Node 20.
 */
async function importWithoutWarning(): Promise<OidcProviderModule> {
  const { warn } = console;
  console.warn = (...values: unknown[]) => {
    if (!String(values[0]).includes("oidc-provider WARNING")) warn(...values);
  };
  try {
    return await import("oidc-provider");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error(
      "The test provider needs the package oidc-provider. Install it: npm install --save-dev oidc-provider",
    );
  } finally {
    console.warn = warn;
  }
}

interface PreparedProvider {
  readonly library: OidcProviderModule;
  readonly internalKey: JWK;
}

let prepared: Promise<PreparedProvider> | undefined;

/**
 * Loads oidc-provider and generates its internal key, once for each process. The key signs the ID tokens that
 * oidc-provider issues. No client receives these, because signed-tokens.ts replaces them.
 */
export function prepareProvider(): Promise<PreparedProvider> {
  prepared ??= (async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    return { library: await importWithoutWarning(), internalKey: await exportJWK(privateKey) };
  })();
  return prepared;
}

/**
 * Creates a provider of the package oidc-provider, with the paths of Tencent CIAM. response-adapter.ts
 * changes its responses.
 *
 * @throws Error if a client is invalid
 */
export function createOidcProvider(
  issuer: string,
  { library, internalKey }: PreparedProvider,
  settings: LocalProviderSettings,
): OidcProvider {
  const { default: ProviderClass } = library;
  const provider = new ProviderClass(issuer, createConfiguration(library, internalKey, settings));
  provider.Client.prototype.redirectUriAllowed = function isAllowed(uri) {
    return isRegisteredUrl(settings, this.redirectUris, uri);
  };
  provider.silent = true; // A client that closes its connection is not worth a log line.
  provider.on("server_error", (_ctx, error) => console.error(error));
  return provider;
}

function createConfiguration(
  library: OidcProviderModule,
  internalKey: JWK,
  settings: LocalProviderSettings,
): Configuration {
  const { full, users, acrValues } = settings;
  return {
    ...TENCENT_CONFIGURATION,
    ...createTokenConfiguration(settings),
    ...(acrValues.length > 0 && { acrValues: [...acrValues] }),
    adapter: createMemoryAdapter(),
    clients: settings.clients.map(toClientMetadata),
    jwks: { keys: [internalKey] },
    scopes: full ? ["openid", "profile", "email", "offline_access"] : ["openid", "profile", "email"],
    claims: { openid: listClaimNames(users.values()) },
    cookies: { keys: [randomBytes(32)], names: COOKIE_NAMES },
    interactions: {
      policy: createInteractionPolicy(library, acrValues),
      url: (_ctx, { uid }) => `/portal/login?p_state=${uid}`,
    },
    findAccount(_ctx, sub) {
      const user = users.get(sub);
      return user && { accountId: sub, claims: () => ({ ...user }) };
    },
    loadExistingGrant,
    features: createFeatures(library),
    renderError(ctx, { error, error_description }) {
      ctx.set(pageHeaders());
      ctx.body = renderErrorPage(error, error_description);
    },
  };
}

/** Settings that are the same for all providers. */
const TENCENT_CONFIGURATION: Configuration = {
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
  responseTypes: ["code"],
  pkce: { required: () => false },
  extraParams: ["auth_source_id"],
  allowOmittingSingleRegisteredRedirectUri: false,
  clockTolerance: 0, // With the default of 15 s, an expired access token would still be valid.
  routes: {
    authorization: "/oauth2/authorize",
    token: "/oauth2/token",
    jwks: "/oauth2/jwks",
    userinfo: "/userinfo",
    revocation: "/oauth2/revoke",
  },
  clientBasedCORS: () => false,
};

/** All ports of 127.0.0.1 share their cookies, so these names must differ from those of applications. */
const COOKIE_NAMES = {
  session: "demo_portal_session",
  interaction: "demo_portal_login",
  resume: "demo_portal_resume",
};

function createTokenConfiguration(settings: LocalProviderSettings): Configuration {
  return {
    ttl: {
      AccessToken: settings.accessTokenSeconds,
      AuthorizationCode: 300,
      IdToken: 1_800,
      RefreshToken: DAY_SECONDS,
      Interaction: 3_600,
      Session: DAY_SECONDS,
      Grant: 30 * DAY_SECONDS,
    },
    formats: {
      // A refresh token has 128 characters of 6 bits.
      bitsOfOpaqueRandomness: (_ctx, { kind }) => (kind === "RefreshToken" ? 128 * 6 : 256),
    },
    issueRefreshToken: async (_ctx, client) => client.clientAuthMethod !== "none",
    rotateRefreshToken: settings.rotateRefreshTokens,
    expiresWithSession: async () => false,
  };
}

const toClientMetadata = ({
  clientId,
  clientSecret,
  redirectUris,
  clientAuth = "client_secret_post",
}: ProviderClient) => ({
  client_id: clientId,
  redirect_uris: redirectUris,
  grant_types: ["authorization_code", "refresh_token"],
  ...(clientSecret === undefined || clientAuth === "none"
    ? { token_endpoint_auth_method: "none" as const }
    : { token_endpoint_auth_method: clientAuth, client_secret: clientSecret }),
});

/** Creates the policy that decides when a user must sign in. Users need not give consent. */
function createInteractionPolicy(library: OidcProviderModule, acrValues: readonly string[]) {
  const policy = library.interactionPolicy.base();
  policy.get("consent")?.checks.clear();
  policy.get("login")?.checks.add(createAcrCheck(library, acrValues));
  return policy;
}

/**
 * Requires a login if acr_values requests known methods, and the provider's session has used none of them.
 */
const createAcrCheck = ({ interactionPolicy: { Check } }: OidcProviderModule, acrValues: readonly string[]) =>
  new Check("acr_values", "The request requires another authentication method", ({ oidc }) => {
    const requested = String(oidc.params?.["acr_values"] ?? "").split(" ");
    const known = requested.filter((acr) => acrValues.includes(acr));
    const isSatisfied =
      known.length === 0 || known.includes(String(oidc.session?.acr)) || oidc.result?.login !== undefined;
    return isSatisfied ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
  });

/** Creates a grant for each login. If a user had one grant, a revocation would end all logins of the user. */
const loadExistingGrant: NonNullable<Configuration["loadExistingGrant"]> = async ({ oidc }) => {
  const { provider, client, session } = oidc;
  if (!client || !session?.accountId) return undefined;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid profile email");
  await grant.save();
  return grant;
};

function createFeatures({ errors }: OidcProviderModule): NonNullable<Configuration["features"]> {
  return {
    devInteractions: { enabled: false },
    rpInitiatedLogout: { enabled: false }, // provider-logout.ts also supports the parameters of Tencent CIAM.
    pushedAuthorizationRequests: { enabled: false },
    resourceIndicators: { enabled: false },
    dPoP: { enabled: false },
    revocation: {
      enabled: true,
      async allowedPolicy(_ctx, client, token) {
        if (token.clientId !== client.clientId) throw new errors.InvalidClientAuth("token of another client");
        if (token.kind !== "AccessToken") return true;
        // oidc-provider would also revoke the refresh token, which Tencent CIAM does not do.
        await token.destroy();
        return false;
      },
    },
  };
}
