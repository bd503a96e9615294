import type { IncomingMessage, ServerResponse } from "node:http";
import {
  isRegisteredUrl,
  type LocalProviderSettings,
  type ProviderClient,
} from "./local-provider-options.js";
import { renderErrorPage, renderLoggedOutPage, sendFrames, sendPage } from "./login-pages.js";
import type { OidcProvider } from "./oidc-provider.js";
import type { RecordedRequest } from "./recorded-requests.js";
import type { SignedTokens } from "./signed-tokens.js";
import type { SingleLogout } from "./single-logout.js";

interface RequestedLogout {
  /** The URL to which the logout leads. Without it, the provider shows a page. */
  readonly redirectUri?: string | undefined;
  /** The name of an invalid parameter. With an invalid parameter, no session ends. */
  readonly invalidParameter?: string;
}

type FindClient = (clientId: string | undefined) => ProviderClient | undefined;

/** Parses a logout request with the parameters of Tencent CIAM. */
function parseTencentLogout(
  settings: LocalProviderSettings,
  parameters: URLSearchParams,
  findClient: FindClient,
): RequestedLogout {
  const client = findClient(parameters.get("client_id") ?? undefined);
  if (!client) return { invalidParameter: "client_id" };
  const { logoutRedirectUris = [] } = client;
  const [onlyUri] = logoutRedirectUris.length === 1 ? logoutRedirectUris : [];
  const redirectUri = parameters.get("logout_redirect_uri") ?? onlyUri;
  return redirectUri !== undefined && isRegisteredUrl(settings, logoutRedirectUris, redirectUri)
    ? { redirectUri }
    : { invalidParameter: "logout_redirect_uri" };
}

/** Parses a standard logout request (OpenID Connect RP-Initiated Logout 1.0, section 2). */
async function parseStandardLogout(
  settings: LocalProviderSettings,
  parameters: URLSearchParams,
  findClient: FindClient,
  tokens: SignedTokens,
): Promise<RequestedLogout> {
  const hint = parameters.get("id_token_hint");
  const claims = hint === null ? undefined : await tokens.verifyLogoutHint(hint);
  if (hint !== null && !claims) return { invalidParameter: "id_token_hint" };

  const hintedClient = typeof claims?.["aud"] === "string" ? claims["aud"] : undefined;
  const clientId = parameters.get("client_id") ?? hintedClient;
  if (hintedClient !== undefined && clientId !== hintedClient) return { invalidParameter: "client_id" };
  const client = findClient(clientId);
  if (clientId !== undefined && !client) return { invalidParameter: "client_id" };

  const redirectUri = parameters.get("post_logout_redirect_uri");
  if (redirectUri === null) return {};
  return client && isRegisteredUrl(settings, client.logoutRedirectUris, redirectUri)
    ? { redirectUri }
    : { invalidParameter: "post_logout_redirect_uri" };
}

function sendLogoutError(res: ServerResponse, parameter: string, full: boolean): void {
  const error_description = `OAuth 2.0 Parameter: ${parameter}`;
  if (full) sendPage(res, 400, renderErrorPage("invalid_request", error_description));
  else {
    res.writeHead(400, { "Content-Type": "application/json;charset=UTF-8" });
    res.end(JSON.stringify({ error: "invalid_request", error_description }));
  }
}

function withState(redirectUri: string, state: string | null): URL {
  const target = new URL(redirectUri);
  if (state !== null) target.searchParams.set("state", state);
  return target;
}

/** Handles a request to the logout endpoint: ends the session and notifies the applications. */
export async function handleLogout(
  provider: OidcProvider,
  settings: LocalProviderSettings,
  tokens: SignedTokens,
  singleLogout: SingleLogout,
  request: RecordedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { clients, full } = settings;
  const query = request.url.split("?")[1];
  const parameters = new URLSearchParams(request.method === "POST" ? request.body : query);
  const findClient: FindClient = (clientId) => clients.find((client) => client.clientId === clientId);
  const { redirectUri, invalidParameter } = full
    ? await parseStandardLogout(settings, parameters, findClient, tokens)
    : parseTencentLogout(settings, parameters, findClient);
  if (invalidParameter !== undefined) return sendLogoutError(res, invalidParameter, full);

  const session = await provider.Session.get(provider.createContext(req, res));
  const { frames } = await singleLogout.endSession(session.uid);
  await session.destroy();

  const target = redirectUri === undefined ? undefined : withState(redirectUri, parameters.get("state"));
  if (frames.length > 0) return sendFrames(res, frames, target?.href);
  if (target === undefined) return sendPage(res, 200, renderLoggedOutPage());
  res.writeHead(302, { Location: target.href, "Cache-Control": "no-store" }).end();
}
