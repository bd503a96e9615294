import type { IncomingMessage, ServerResponse } from "node:http";
import { BoundedMap } from "../../util/bounded-map.js";
import type { LocalProviderSettings } from "./local-provider-options.js";
import { renderErrorPage, renderLoginPage, sendPage } from "./login-pages.js";
import type { OidcProvider } from "./oidc-provider.js";
import type { RecordedRequest } from "./recorded-requests.js";

const toText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const listOrigins = (addresses: readonly string[]): string[] =>
  addresses
    .filter((address) => URL.canParse(address))
    .map((address) => new URL(address).origin)
    .filter((origin) => origin !== "null"); // custom schemes have none

const MAX_FINISHED_LOGINS = 1000;

/**
 * Where an attempt whose login is done began, by its `p_state`. A double click posts twice, and the second may come when
 * the first has gone on already: it asks again, as somebody who is logged in.
 */
export class FinishedLogins extends BoundedMap<string, string> {
  constructor() {
    super(MAX_FINISHED_LOGINS);
  }
}

/** By which of its ways somebody has authenticated here: by the one that was asked for, if the portal knows it. */
function chooseAcr(
  { acrValues }: LocalProviderSettings,
  { acr_values }: Readonly<Record<string, unknown>>,
): { acr?: string } {
  const asked = (toText(acr_values) ?? "").split(" ").find((acr) => acrValues.includes(acr));
  const acr = asked ?? acrValues[0];
  return acr === undefined ? {} : { acr };
}

/**
 * The login page and what is chosen there. The login is found by the `p_state` of its address, and not by
 * oidc-provider's cookie for it, of which a browser holds one: this way two tabs can log in at the same time.
 */
export async function handleLogin(
  provider: OidcProvider,
  settings: LocalProviderSettings,
  finished: FinishedLogins,
  request: RecordedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const { users } = settings;
  const pState = new URLSearchParams(request.url.split("?")[1]).get("p_state") ?? "";
  const attempt = await provider.Interaction.find(pState);
  const again = finished.get(pState);
  if (!attempt && again && request.method === "POST")
    return void res.writeHead(303, { Location: again, "Cache-Control": "no-store" }).end();
  if (!attempt)
    return sendPage(res, 400, renderErrorPage("login_expired", "Go back to the application and try again."));

  if (request.method !== "POST") {
    const { client_id, auth_source_id } = attempt.params;
    const clientId = toText(client_id) ?? "";
    const html = renderLoginPage({ clientId, authSourceId: toText(auth_source_id), users: users.values() });
    return sendPage(res, 200, html, listOrigins([toText(attempt.params["redirect_uri"]) ?? ""]));
  }

  const chosen = new URLSearchParams(request.body);
  const accountId = chosen.get("sub") ?? "";
  if (chosen.has("deny"))
    attempt.result = { error: "access_denied", error_description: "The person refused." };
  else if (users.has(accountId))
    attempt.result = { login: { accountId, ...chooseAcr(settings, attempt.params) } };
  else return sendPage(res, 400, renderErrorPage("unknown_person", "Nobody here has that name."));
  await attempt.persist();
  const asked = Object.entries(attempt.params).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  finished.set(pState, `/oauth2/authorize?${new URLSearchParams(asked)}`);

  // Another person than last time takes the portal's session over. oidc-provider would log the last one out first, by
  // a page that sends itself off with a script.
  const session = await provider.Session.get(provider.createContext(req, res));
  if (attempt.result.login && session.accountId !== undefined && session.accountId !== accountId) {
    session.loginAccount({ accountId });
    session.authorizations = {};
    await session.persist();
  }
  res.writeHead(303, { Location: attempt.returnTo, "Cache-Control": "no-store" }).end();
}
