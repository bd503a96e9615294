import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import type { Provider } from "../provider/discovery.js";
import { probeAuthorization, probeCredentials } from "../provider/provider-probe.js";
import { type Check, checksOf } from "./check.js";

const { ok, warning, failed, skipped } = checksOf("credentials");

export const credentialsSkipped = (found: string): Check[] => [
  skipped("token", "credentials", { found }),
  skipped("authorize", "the redirect address at the portal", { found }),
];

/** Client id and secret, by a code that was made up: nothing changes by it, at the portal or here. */
export async function checkCredentials(provider: Provider): Promise<Check> {
  const failure = await probeCredentials(provider).catch(asFailure);
  const isPublic = provider.settings.clientAuth === "none";
  const answered = answerOf(failure);
  switch (failure?.code) {
    case "code_refused":
      return ok(
        "token",
        isPublic ? "the portal takes the client id" : "the portal takes client id and secret",
        {
          found: "invalid_grant to a made-up code",
        },
      );
    case undefined:
      return unsure(answered);
    case "token_refused": // an error that may be about the code alone, or not
      return unsure(answered);
    default:
      return failed("token", titleOf(failure as PortalAuthError, isPublic), {
        found: answered,
        advice: adviceOf(failure as PortalAuthError, isPublic),
      });
  }
}

/** What the provider answered, with its reason: an expired secret is named there only (Microsoft Entra). */
function answerOf(failure: PortalAuthError | undefined): string {
  if (failure === undefined) return "a made-up code was taken for a good one";
  const { detail = failure.code, providerDescription } = failure;
  return providerDescription === undefined ? detail : `${detail}: "${providerDescription}"`;
}

const unsure = (found: string): Check =>
  warning("token", "the portal's answer proves nothing", {
    found,
    advice: "a made-up code should be answered with invalid_grant: sign in once to see",
  });

const titleOf = ({ code }: PortalAuthError, isPublic: boolean): string =>
  isPublic && code === "client_refused"
    ? "the portal does not take a client without a secret"
    : ((TITLES as Partial<Record<PortalAuthErrorCode, string>>)[code] ?? "the token endpoint does not work");

const adviceOf = ({ code, hint }: PortalAuthError, isPublic: boolean): string =>
  isPublic && code === "client_refused"
    ? "the application is registered as one with a secret: write PORTAL_CLIENT_SECRET and another PORTAL_CLIENT_AUTH, or register it as public"
    : (ADVICE[code] ?? hint);

const TITLES = {
  client_unknown: "the portal does not know the client id",
  client_refused: "the portal does not take the client id and secret",
  grant_type_refused: "the application may not use authorization_code",
  portal_unreachable: "the token endpoint cannot be reached",
  portal_timeout: "the token endpoint does not answer in time",
} as const;

const ADVICE: Readonly<Record<string, string>> = {
  client_unknown:
    "compare PORTAL_CLIENT_ID with the application's client_id at the portal, and PORTAL_ISSUER with its tenant",
  client_refused:
    "compare PORTAL_CLIENT_ID with the application's client_id, copy PORTAL_CLIENT_SECRET again from the provider (it may have expired or been renewed), and compare PORTAL_CLIENT_AUTH with how the application is registered",
};

/**
 * The redirect address, by what a browser would be answered: the portal's login page, or 400 where client_id,
 * redirect_uri or response_type is wrong.
 */
export async function checkAuthorization(provider: Provider): Promise<Check> {
  const { redirectUri } = provider.settings;
  const title = "the portal takes the redirect address";
  try {
    const { status, location } = await probeAuthorization(provider);
    const found = `${status}${location ? ` to ${placeOf(location, provider)}` : ""}`;
    const advice = `register ${redirectUri} at the portal, to the letter (and compare PORTAL_CLIENT_ID)`;
    if (status === 400)
      return failed("authorize", "the portal refuses the redirect address", { found, advice });
    if (location?.startsWith(redirectUri)) return checkRefusal(location, title, found);
    if (status === 200 || (status >= 300 && status < 400)) return ok("authorize", title, { found });
    if (status > 400)
      return failed("authorize", "the authorization endpoint does not work", { found, advice });
    return warning("authorize", "the portal's answer proves nothing", { found, advice });
  } catch (error) {
    const { code, message } = asFailure(error);
    return failed("authorize", "the authorization endpoint does not answer", {
      found: code,
      advice: message,
    });
  }
}

/** Sent back at once: the address is known, and something else of the request is refused (RFC 6749, section 4.1.2.1). */
function checkRefusal(location: string, title: string, found: string): Check {
  const error = new URL(location).searchParams.get("error");
  if (error === null || error === "login_required") return ok("authorize", title, { found });
  const advice = "look at PORTAL_SCOPE and authorizationParams";
  return failed(
    "authorize",
    `the portal refuses the request: ${error.replace(/[^\w.]/g, "?").slice(0, 40)}`,
    {
      found,
      advice,
    },
  );
}

/** The address without its query, where codes and states stand. */
const placeOf = (location: string, { metadata }: Provider): string =>
  URL.canParse(location, metadata.issuer)
    ? new URL(location, metadata.issuer).href.replace(/[?#].*$/, "")
    : "nowhere";

const asFailure = (error: unknown): PortalAuthError =>
  error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
