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
 * oidc-provider says at import that it wants Node 22. What the portal uses of it works on Node 20 as well, which the
 * tests prove there, and a notice at each start would only worry those who try the example.
 */
async function importWithoutWarning(): Promise<OidcProviderModule> {
  const { warn } = console;
  console.warn = (...said: unknown[]) => {
    if (!String(said[0]).includes("oidc-provider WARNING")) warn(...said);
  };
  try {
    return await import("oidc-provider");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new Error(
      "The test portal is an oidc-provider, which is not installed: npm install --save-dev oidc-provider",
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
 * What takes a while, once for each process. The internal key signs the provider's own ID tokens, which nobody gets
 * to see: they are replaced (tokens.ts).
 */
export function prepareProvider(): Promise<PreparedProvider> {
  prepared ??= (async () => {
    const { privateKey } = await generateKeyPair("ES256", { extractable: true });
    return { library: await importWithoutWarning(), internalKey: await exportJWK(privateKey) };
  })();
  return prepared;
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

/** Asks for a login where acr_values names ways to authenticate of which the portal's session is none. */
const createAcrCheck = ({ interactionPolicy: { Check } }: OidcProviderModule, acrValues: readonly string[]) =>
  new Check("acr_values", "Another way to authenticate is wanted", ({ oidc }) => {
    const requested = String(oidc.params?.["acr_values"] ?? "").split(" ");
    const known = requested.filter((acr) => acrValues.includes(acr));
    const isIt =
      known.length === 0 || known.includes(String(oidc.session?.acr)) || oidc.result?.login !== undefined;
    return isIt ? Check.NO_NEED_TO_PROMPT : Check.REQUEST_PROMPT;
  });

/** A real provider at the portal's addresses. How its answers come to look like the portal's is for dress.ts. */
export function createOidcProvider(
  issuer: string,
  { library, internalKey }: PreparedProvider,
  settings: LocalProviderSettings,
): OidcProvider {
  const { clients, accessTokenSeconds, rotateRefreshTokens, full, users, acrValues } = settings;
  const { default: ProviderClass, errors, interactionPolicy } = library;

  const policy = interactionPolicy.base();
  policy.get("consent")?.checks.clear(); // nobody is asked: whoever logs in consents
  policy.get("login")?.checks.add(createAcrCheck(library, acrValues));

  const configuration: Configuration = {
    adapter: createMemoryAdapter(),
    clients: clients.map(toClientMetadata),
    clientDefaults: { id_token_signed_response_alg: "ES256" },
    clientAuthMethods: ["client_secret_basic", "client_secret_post", "none"],
    jwks: { keys: [internalKey] },
    responseTypes: ["code"],
    ...(acrValues.length > 0 && { acrValues: [...acrValues] }),
    scopes: full ? ["openid", "profile", "email", "offline_access"] : ["openid", "profile", "email"],
    claims: { openid: listClaimNames(users.values()) },
    pkce: { required: () => false },
    extraParams: ["auth_source_id"],
    allowOmittingSingleRegisteredRedirectUri: false,
    clockTolerance: 0, // the default of 15 s would let an expired access token live on
    routes: {
      authorization: "/oauth2/authorize",
      token: "/oauth2/token",
      jwks: "/oauth2/jwks",
      userinfo: "/userinfo",
      revocation: "/oauth2/revoke",
    },
    cookies: {
      keys: [randomBytes(32)],
      // On 127.0.0.1 all ports share one jar, so these must not look like the application's.
      names: {
        session: "demo_portal_session",
        interaction: "demo_portal_login",
        resume: "demo_portal_resume",
      },
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      AuthorizationCode: 300,
      IdToken: 1_800,
      RefreshToken: DAY_SECONDS,
      Interaction: 3_600,
      Session: DAY_SECONDS,
      Grant: 30 * DAY_SECONDS,
    },
    formats: {
      bitsOfOpaqueRandomness: (_ctx, { kind }) => (kind === "RefreshToken" ? 128 * 6 : 256), // 6 bits a character
    },
    interactions: { policy, url: (_ctx, { uid }) => `/portal/login?p_state=${uid}` },
    findAccount(_ctx, sub) {
      const user = users.get(sub);
      return user && { accountId: sub, claims: () => ({ ...user }) };
    },
    // A grant for each login and not for each person, so that revoking one login's tokens leaves the others alone.
    async loadExistingGrant({ oidc: { provider, client, session } }) {
      if (!client || !session?.accountId) return undefined;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope("openid profile email");
      await grant.save();
      return grant;
    },
    issueRefreshToken: async (_ctx, client) => client.clientAuthMethod !== "none",
    rotateRefreshToken: rotateRefreshTokens,
    expiresWithSession: async () => false,
    clientBasedCORS: () => false,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: { enabled: false }, // logout.ts, which knows the portal's own parameters
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      dPoP: { enabled: false },
      revocation: {
        enabled: true,
        async allowedPolicy(_ctx, client, token) {
          if (token.clientId !== client.clientId)
            throw new errors.InvalidClientAuth("token of another client");
          if (token.kind !== "AccessToken") return true;
          await token.destroy(); // oidc-provider would revoke the refresh token with it, which the portal does not
          return false;
        },
      },
    },
    renderError(ctx, { error, error_description }) {
      ctx.set(pageHeaders());
      ctx.body = renderErrorPage(error, error_description);
    },
  };

  const provider = new ProviderClass(issuer, configuration);
  provider.Client.prototype.redirectUriAllowed = function isAllowed(uri) {
    return isRegisteredUrl(settings, this.redirectUris, uri);
  };
  provider.silent = true; // somebody who hangs up is no news; what goes wrong in here is a server_error
  provider.on("server_error", (_ctx, error) => console.error(error));
  return provider;
}
