import type { errors, KoaContextWithOIDC } from "oidc-provider";
import {
  type ProviderErrorResponse,
  toAuthorizationErrorParameters,
  toClientErrorResponse,
  toUserInfoErrorResponse,
} from "./error-responses.js";
import type { FaultInjection } from "./fault-injection.js";
import { getTokenIssuer, type LocalProviderSettings } from "./local-provider-options.js";
import type { OidcProvider } from "./oidc-provider.js";
import type { ProviderKeys } from "./provider-keys.js";
import type { SignedTokens } from "./signed-tokens.js";

const JSON_TYPE = "application/json;charset=UTF-8";

interface ResponseAdapterOptions {
  readonly keys: ProviderKeys;
  readonly settings: LocalProviderSettings;
  readonly faults: FaultInjection;
  readonly tokens: SignedTokens;
}

/** Returns the short discovery document that the documentation of Tencent CIAM describes. */
const createTencentDocument = (
  issuer: string,
  { signingAlg, issuerSuffix }: LocalProviderSettings,
): Record<string, unknown> => ({
  issuer: issuer + issuerSuffix,
  authorization_endpoint: `${issuer}/oauth2/authorize`,
  token_endpoint: `${issuer}/oauth2/token`,
  token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
  jwks_uri: `${issuer}/oauth2/jwks`,
  response_types_supported: ["code"],
  grant_types_supported: ["authorization_code", "client_credentials", "refresh_token"],
  subject_types_supported: ["public"],
  id_token_signing_alg_values_supported: [signingAlg],
  scopes_supported: ["openid"],
});

/** Returns the discovery document of oidc-provider, with changes for this provider. */
const createStandardDocument = (
  ctx: KoaContextWithOIDC,
  issuer: string,
  { signingAlg, issuerSuffix }: LocalProviderSettings,
): Record<string, unknown> => ({
  ...(ctx.body as Record<string, unknown>),
  issuer: issuer + issuerSuffix,
  id_token_signing_alg_values_supported: [signingAlg], // In place of the algorithm of the internal key.
  end_session_endpoint: `${issuer}/logout`,
  backchannel_logout_supported: true,
  backchannel_logout_session_supported: true,
  frontchannel_logout_supported: true,
  frontchannel_logout_session_supported: true,
});

function sendJson(ctx: KoaContextWithOIDC, body: unknown): void {
  ctx.body = typeof body === "string" ? body : JSON.stringify(body);
  ctx.set("Content-Type", JSON_TYPE);
}

function sendErrorResponse(
  ctx: KoaContextWithOIDC,
  { status, body, challenge }: ProviderErrorResponse,
): void {
  ctx.remove("WWW-Authenticate");
  ctx.remove("Content-Type"); // With a JSON type, Koa would send "null" as the body.
  ctx.body = null;
  ctx.status = status;
  if (body) sendJson(ctx, body);
  if (challenge) ctx.set("WWW-Authenticate", challenge);
}

/**
 * Changes a redirect to that of Tencent CIAM: with 302 in place of 303, and without the `iss` of RFC 9207 in
 * error responses.
 */
function adaptRedirect(
  ctx: KoaContextWithOIDC,
  failure: errors.OIDCProviderError | undefined,
  full: boolean,
): void {
  const location = ctx.response.get("Location");
  if (!location) return;
  ctx.status = 302;
  if (full || !failure || !URL.canParse(location)) return;
  const url = new URL(location);
  url.searchParams.delete("iss");
  for (const [name, value] of Object.entries(toAuthorizationErrorParameters(failure)))
    url.searchParams.set(name, value);
  ctx.set("Location", url.href);
}

/**
 * Changes the responses of oidc-provider to those of the test provider: documents, keys, tokens, redirects
 * and errors. Faults that a test has requested are applied here too.
 */
export function adaptResponses(provider: OidcProvider, options: ResponseAdapterOptions): void {
  const { keys, settings, faults, tokens } = options;
  const { full } = settings;
  const failures = collectFailures(provider, settings);
  const runInTurn = createTurns();

  provider.use(async function adaptResponse(koaContext, next) {
    await (koaContext.path === "/oauth2/token" ? runInTurn(next) : next());
    const ctx = koaContext as KoaContextWithOIDC;
    const failure = failures.get(ctx);
    // For an unknown path, `oidc` is missing, although its type does not allow that.
    switch ((ctx.oidc as KoaContextWithOIDC["oidc"] | undefined)?.route) {
      case "discovery": {
        const document = full
          ? createStandardDocument(ctx, provider.issuer, settings)
          : createTencentDocument(provider.issuer, settings);
        return sendJson(ctx, faults.discovery.apply(document));
      }
      case "jwks":
        return sendJson(ctx, faults.keys.apply(keys.getPublishedSet(full)));
      case "authorization":
      case "resume":
        return adaptRedirect(ctx, failure, full);
      case "token":
        if (ctx.status === 200)
          return sendTokens(ctx, tokens.replaceTokens(ctx, ctx.body as Record<string, unknown>), faults);
        return full || !failure ? undefined : sendErrorResponse(ctx, toClientErrorResponse(failure));
      case "revocation":
        return full || !failure ? undefined : sendErrorResponse(ctx, toClientErrorResponse(failure));
      case "userinfo":
        return full || !failure ? undefined : sendErrorResponse(ctx, toUserInfoErrorResponse(failure));
    }
  });
}

/** Collects the error of each failed request, and adapts `iss` and the place where an error is reported. */
function collectFailures(
  provider: OidcProvider,
  settings: LocalProviderSettings,
): WeakMap<KoaContextWithOIDC, errors.OIDCProviderError> {
  const failures = new WeakMap<KoaContextWithOIDC, errors.OIDCProviderError>();
  const saveFailure = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError) =>
    void failures.set(ctx, error);
  provider.on("grant.error", saveFailure);
  provider.on("userinfo.error", saveFailure);
  provider.on("revocation.error", saveFailure);
  provider.on("authorization.error", (ctx, error) => {
    saveFailure(ctx, error);
    // A standard provider reports an invalid response_type to the application. Tencent CIAM shows a page to
    // the user.
    if (!settings.full && /response_type/.test(error.error_description ?? "")) error.allow_redirect = false;
  });
  provider.on("authorization.success", (_ctx, response) => {
    if (!settings.full) delete response?.["iss"];
    else if (response) response["iss"] = getTokenIssuer(provider.issuer, settings);
  });
  return failures;
}

/**
 * Creates a function that runs work one after the other. If two requests use the same code or refresh token
 * at the same moment, the second one must find it used.
 */
function createTurns(): (work: () => Promise<unknown>) => Promise<unknown> {
  let lastTurn: Promise<unknown> = Promise.resolve();
  return function runInTurn(work) {
    lastTurn = lastTurn.then(work, work);
    return lastTurn;
  };
}

function sendTokens(
  ctx: KoaContextWithOIDC,
  response: Record<string, unknown>,
  faults: FaultInjection,
): void {
  sendJson(ctx, response);
  const written = faults.tokenResponseWriters.shift()?.(JSON.stringify(response));
  if (!written) return;
  ctx.body = written.body;
  ctx.set(written.headers);
}
