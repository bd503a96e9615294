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
  readonly mischief: FaultInjection;
  readonly tokens: SignedTokens;
}

/** The discovery document as the portal documents it: all that it lists, and nothing that it leaves out. */
const sparseDocument = (
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

function sendJson(ctx: KoaContextWithOIDC, body: unknown): void {
  ctx.body = typeof body === "string" ? body : JSON.stringify(body);
  ctx.set("Content-Type", JSON_TYPE);
}

function sendErrorResponse(
  ctx: KoaContextWithOIDC,
  { status, body, challenge }: ProviderErrorResponse,
): void {
  ctx.remove("WWW-Authenticate");
  ctx.remove("Content-Type"); // Koa would make an empty JSON answer say "null"
  ctx.body = null;
  ctx.status = status;
  if (body) sendJson(ctx, body);
  if (challenge) ctx.set("WWW-Authenticate", challenge);
}

/** oidc-provider redirects with 303, the portal with 302, and without the `iss` of RFC 9207. */
function redirect(
  ctx: KoaContextWithOIDC,
  failure: errors.OIDCProviderError | undefined,
  full: boolean,
): void {
  const location = ctx.response.get("Location");
  if (!location) return;
  ctx.status = 302;
  if (full || !failure || !URL.canParse(location)) return;
  const address = new URL(location);
  address.searchParams.delete("iss");
  for (const [name, value] of Object.entries(toAuthorizationErrorParameters(failure)))
    address.searchParams.set(name, value);
  ctx.set("Location", address.href);
}

/** Puts the portal's clothes on what the provider answers. */
export function adaptResponses(
  provider: OidcProvider,
  { keys, settings, mischief: faults, tokens }: ResponseAdapterOptions,
): void {
  const { full } = settings;
  const failures = new WeakMap<KoaContextWithOIDC, errors.OIDCProviderError>();
  const remember = (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError) =>
    void failures.set(ctx, error);
  provider.on("grant.error", remember);
  provider.on("userinfo.error", remember);
  provider.on("revocation.error", remember);
  provider.on("authorization.error", (ctx, error) => {
    remember(ctx, error);
    // A standard provider tells the application about a wrong response_type, the portal tells the person.
    if (!full && /response_type/.test(error.error_description ?? "")) error.allow_redirect = false;
  });
  provider.on("authorization.success", (_ctx, answer) => {
    if (!full) delete answer?.["iss"];
    else if (answer) answer["iss"] = getTokenIssuer(provider.issuer, settings);
  });

  /** Two requests with the same code or refresh token: the second one finds it used, however close they came. */
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = (work: () => Promise<unknown>): Promise<unknown> => {
    turn = turn.then(work, work);
    return turn;
  };

  provider.use(async function dressAnswer(koaContext, next) {
    await (koaContext.path === "/oauth2/token" ? inTurn(next) : next());
    const ctx = koaContext as KoaContextWithOIDC;
    const failure = failures.get(ctx);
    // No `oidc` for an address that the provider does not know, whatever the type says.
    switch ((ctx.oidc as KoaContextWithOIDC["oidc"] | undefined)?.route) {
      case "discovery":
        return sendJson(
          ctx,
          faults.discovery.apply(full ? standardDocument(ctx) : sparseDocument(provider.issuer, settings)),
        );
      case "jwks":
        return sendJson(ctx, faults.keys.apply(keys.getPublishedSet(full)));
      case "authorization":
      case "resume":
        return redirect(ctx, failure, full);
      case "token":
        if (ctx.status === 200)
          return sendTokens(ctx, tokens.replaceTokens(ctx, ctx.body as Record<string, unknown>));
        return full || !failure ? undefined : sendErrorResponse(ctx, toClientErrorResponse(failure));
      case "revocation":
        return full || !failure ? undefined : sendErrorResponse(ctx, toClientErrorResponse(failure));
      case "userinfo":
        return full || !failure ? undefined : sendErrorResponse(ctx, toUserInfoErrorResponse(failure));
    }
  });

  function sendTokens(ctx: KoaContextWithOIDC, answer: Record<string, unknown>): void {
    sendJson(ctx, answer);
    const written = faults.tokenResponseWriters.shift()?.(JSON.stringify(answer));
    if (!written) return;
    ctx.body = written.body;
    ctx.set(written.headers);
  }

  function standardDocument(ctx: KoaContextWithOIDC): Record<string, unknown> {
    return {
      ...(ctx.body as Record<string, unknown>),
      issuer: provider.issuer + settings.issuerSuffix,
      id_token_signing_alg_values_supported: [settings.signingAlg], // and not that of the provider's internal key
      end_session_endpoint: `${provider.issuer}/logout`,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    };
  }
}
