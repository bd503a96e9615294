import type { IncomingMessage, ServerResponse } from "node:http";
import { errorPage, farewellPage, sendFrames, sendPage } from "./login-pages.js";
import type { Provider } from "./oidc-provider.js";
import type { RecordedRequest } from "./recorded-requests.js";
import type { Tokens } from "./signed-tokens.js";
import type { SingleLogout } from "./single-logout.js";
import { isRegistered, type PortalClient, type Settings } from "./test-provider-options.js";

interface Wish {
  /** Where to go from here; without one a page says farewell. */
  readonly address?: string | undefined;
  /** Which parameter was no good, and nothing ends. */
  readonly wrong?: string;
}

type Registered = (clientId: string | undefined) => PortalClient | undefined;

/** The portal's own parameters. */
function portalWish(settings: Settings, given: URLSearchParams, registered: Registered): Wish {
  const client = registered(given.get("client_id") ?? undefined);
  if (!client) return { wrong: "client_id" };
  const { logoutRedirectUris = [] } = client;
  const [only, ...others] = logoutRedirectUris;
  const address = given.get("logout_redirect_uri") ?? (others.length === 0 ? only : undefined);
  return address !== undefined && isRegistered(settings, logoutRedirectUris, address)
    ? { address }
    : { wrong: "logout_redirect_uri" };
}

/** OpenID Connect RP-Initiated Logout 1.0, section 2. Nobody is asked whether they mean it. */
async function standardWish(
  settings: Settings,
  given: URLSearchParams,
  registered: Registered,
  tokens: Tokens,
): Promise<Wish> {
  const hint = given.get("id_token_hint");
  const claims = hint === null ? undefined : await tokens.openHint(hint);
  if (hint !== null && !claims) return { wrong: "id_token_hint" };

  const hinted = typeof claims?.["aud"] === "string" ? claims["aud"] : undefined;
  const named = given.get("client_id") ?? hinted;
  if (hinted !== undefined && named !== hinted) return { wrong: "client_id" };
  const client = registered(named);
  if (named !== undefined && !client) return { wrong: "client_id" };

  const address = given.get("post_logout_redirect_uri");
  if (address === null) return {};
  return client && isRegistered(settings, client.logoutRedirectUris, address)
    ? { address }
    : { wrong: "post_logout_redirect_uri" };
}

function refuse(res: ServerResponse, parameter: string, full: boolean): void {
  const error_description = `OAuth 2.0 Parameter: ${parameter}`;
  if (full) sendPage(res, 400, errorPage("invalid_request", error_description));
  else {
    res.writeHead(400, { "Content-Type": "application/json;charset=UTF-8" });
    res.end(JSON.stringify({ error: "invalid_request", error_description }));
  }
}

function withState(address: string, state: string | null): URL {
  const target = new URL(address);
  if (state !== null) target.searchParams.set("state", state);
  return target;
}

export async function logout(
  provider: Provider,
  settings: Settings,
  tokens: Tokens,
  singleLogout: SingleLogout,
  request: RecordedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { clients, full } = settings;
  const given = new URLSearchParams(request.method === "POST" ? request.body : request.url.split("?")[1]);
  const registered: Registered = (clientId) => clients.find((client) => client.clientId === clientId);
  const { address, wrong } = full
    ? await standardWish(settings, given, registered, tokens)
    : portalWish(settings, given, registered);
  if (wrong !== undefined) return refuse(res, wrong, full);

  const session = await provider.Session.get(provider.createContext(req, res));
  const { frames } = await singleLogout.end(session.uid);
  await session.destroy();

  const target = address === undefined ? undefined : withState(address, given.get("state"));
  if (frames.length > 0) return sendFrames(res, frames, target?.href);
  if (target === undefined) return sendPage(res, 200, farewellPage());
  res.writeHead(302, { Location: target.href, "Cache-Control": "no-store" }).end();
}
