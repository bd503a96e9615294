import type { IncomingMessage, ServerResponse } from "node:http";
import { BoundedMap } from "../../util/bounded-map.js";
import type { LocalProviderSettings } from "./local-provider-options.js";
import { renderErrorPage, renderLoginPage, sendPage } from "./login-pages.js";
import type { OidcProvider } from "./oidc-provider.js";
import type { RecordedRequest } from "./recorded-requests.js";

type LoginAttempt = InstanceType<OidcProvider["Interaction"]>;

const toText = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const listOrigins = (urls: readonly string[]): string[] =>
  urls
    .filter((url) => URL.canParse(url))
    .map((url) => new URL(url).origin)
    .filter((origin) => origin !== "null"); // URLs with custom schemes have no origin.

const MAX_FINISHED_LOGINS = 1000;

/** The path at which oidc-provider sends the authorization response after a login page: see `returnTo`. */
const RESUME_PATH = /^\/oauth2\/authorize\/([\w-]+)$/;

/**
 * The URLs for a second post of a login page, by its `p_state`. A double click posts the form twice. If the
 * attempt has ended by then, the second post gets the same authorization response. The browser may have sent
 * the code of the first one to the application already, and an application accepts only one code for a state.
 * Until that response is sent, the second post sends the authorization request again.
 */
export class FinishedLogins extends BoundedMap<string, string> {
  constructor() {
    super(MAX_FINISHED_LOGINS);
  }

  /**
   * Saves the authorization response of a finished login, if this request gets one, when it has been sent.
   */
  watchResponse({ path }: RecordedRequest, res: ServerResponse): void {
    const pState = RESUME_PATH.exec(path)?.[1];
    if (pState === undefined) return;
    res.once("finish", () => {
      const location = res.getHeader("location");
      if (typeof location === "string" && this.has(pState)) this.set(pState, location);
    });
  }
}

/**
 * Returns the authentication method of a login: the requested one if it is known, otherwise the default
 * method.
 */
function chooseAcr(
  { acrValues }: LocalProviderSettings,
  { acr_values }: Readonly<Record<string, unknown>>,
): { acr?: string } {
  const requested = (toText(acr_values) ?? "").split(" ").find((acr) => acrValues.includes(acr));
  const acr = requested ?? acrValues[0];
  return acr === undefined ? {} : { acr };
}

/**
 * Handles the requests of the login page. It finds the login attempt by the `p_state` in the URL. The cookie
 * of oidc-provider holds one attempt only, but two tabs can sign in at the same time.
 */
export async function handleLogin(
  provider: OidcProvider,
  settings: LocalProviderSettings,
  finishedLogins: FinishedLogins,
  request: RecordedRequest,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const pState = new URLSearchParams(request.url.split("?")[1]).get("p_state") ?? "";
  const attempt = await provider.Interaction.find(pState);
  const finishedUrl = finishedLogins.get(pState);
  if (!attempt && finishedUrl && request.method === "POST") return redirect(res, finishedUrl);
  if (!attempt)
    return sendPage(res, 400, renderErrorPage("login_expired", "Go back to the application and try again."));
  if (request.method !== "POST") return sendLoginPage(res, attempt, settings);

  const result = toLoginResult(new URLSearchParams(request.body), attempt, settings);
  if (!result) return sendPage(res, 400, renderErrorPage("unknown_user", "There is no user with this name."));
  attempt.result = result;
  await attempt.persist();
  finishedLogins.set(pState, toAuthorizationPath(attempt));
  const accountId = result.login?.accountId;
  if (accountId !== undefined) await replaceUserOfSession(provider, accountId, req, res);
  redirect(res, attempt.returnTo);
}

function sendLoginPage(res: ServerResponse, attempt: LoginAttempt, settings: LocalProviderSettings): void {
  const { client_id, auth_source_id, redirect_uri } = attempt.params;
  const html = renderLoginPage({
    clientId: toText(client_id) ?? "",
    authSourceId: toText(auth_source_id),
    users: settings.users.values(),
  });
  sendPage(res, 200, html, listOrigins([toText(redirect_uri) ?? ""]));
}

type LoginResult = NonNullable<LoginAttempt["result"]>;

/** Converts the form of the login page. Returns undefined if there is no such user. */
function toLoginResult(
  form: URLSearchParams,
  attempt: LoginAttempt,
  settings: LocalProviderSettings,
): LoginResult | undefined {
  if (form.has("deny")) return { error: "access_denied", error_description: "The user denied the login." };
  const accountId = form.get("sub") ?? "";
  if (!settings.users.has(accountId)) return undefined;
  return { login: { accountId, ...chooseAcr(settings, attempt.params) } };
}

/** Returns the path and query of the authorization request with which the attempt started. */
function toAuthorizationPath(attempt: LoginAttempt): string {
  const parameters = Object.entries(attempt.params).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return `/oauth2/authorize?${new URLSearchParams(parameters)}`;
}

/**
 * Gives the provider's session to another user. Otherwise oidc-provider would sign the previous user out
 * first, with a page whose script submits a form.
 */
async function replaceUserOfSession(
  provider: OidcProvider,
  accountId: string,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const session = await provider.Session.get(provider.createContext(req, res));
  if (session.accountId === undefined || session.accountId === accountId) return;
  session.loginAccount({ accountId });
  session.authorizations = {};
  await session.persist();
}

function redirect(res: ServerResponse, location: string): void {
  res.writeHead(303, { Location: location, "Cache-Control": "no-store" }).end();
}
