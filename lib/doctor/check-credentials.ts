import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import type { Provider } from "../provider/discovery.js";
import { probeAuthorization, probeCredentials } from "../provider/provider-probe.js";
import { type Check, createChecks } from "./check.js";

const { ok, warning, failed, skipped } = createChecks("credentials");

/** Returns the checks of this group as skipped, with the reason. */
export const skipCredentials = (reason: string): Check[] => [
  skipped("token", "credentials", { found: reason }),
  skipped("authorize", "the registration of the redirect URI at the provider", { found: reason }),
];

/** Checks client id and secret with a made-up code. It changes nothing, at the provider or here. */
export async function checkCredentials(provider: Provider): Promise<Check> {
  const failure = await probeCredentials(provider).catch(toPortalAuthError);
  const isPublic = provider.settings.clientAuth === "none";
  const found = describeResponse(failure);
  if (failure?.code === "code_refused")
    return ok(
      "token",
      isPublic ? "the provider accepts the client id" : "the provider accepts client id and secret",
      { found: "invalid_grant to a made-up code" },
    );
  // Some providers answer token_refused because of the made-up code, others because of the credentials.
  if (failure === undefined || failure.code === "token_refused") return createInconclusive(found);
  return failed("token", getFailureTitle(failure, isPublic), { found, advice: getAdvice(failure, isPublic) });
}

/**
 * Describes the provider's response with its own words: only they name an expired secret (Microsoft Entra).
 */
function describeResponse(failure: PortalAuthError | undefined): string {
  if (failure === undefined) return "the provider accepted a made-up code";
  const { detail = failure.code, providerDescription } = failure;
  return providerDescription === undefined ? detail : `${detail}: "${providerDescription}"`;
}

const createInconclusive = (found: string): Check =>
  warning("token", INCONCLUSIVE, {
    found,
    advice: "a made-up code should be answered with invalid_grant: sign in once to find out",
  });

const INCONCLUSIVE = "inconclusive: the provider's response does not prove this either way";

const getFailureTitle = ({ code }: PortalAuthError, isPublic: boolean): string =>
  isPublic && code === "client_refused"
    ? "the provider does not accept a client without a secret"
    : (TITLES[code] ?? "the token endpoint does not work");

const getAdvice = ({ code, hint }: PortalAuthError, isPublic: boolean): string =>
  isPublic && code === "client_refused" ? PUBLIC_CLIENT_ADVICE : (ADVICE[code] ?? hint);

const PUBLIC_CLIENT_ADVICE =
  "the application is registered as one with a secret: set PORTAL_CLIENT_SECRET and another " +
  "PORTAL_CLIENT_AUTH, or register it as public";

const TITLES: Partial<Readonly<Record<PortalAuthErrorCode, string>>> = {
  client_unknown: "the provider does not know the client id",
  client_refused: "the provider does not accept the client id and secret",
  grant_type_refused: "the application may not use authorization_code",
  portal_unreachable: "the token endpoint cannot be reached",
  portal_timeout: "the token endpoint does not respond in time",
};

const ADVICE: Partial<Readonly<Record<PortalAuthErrorCode, string>>> = {
  client_unknown:
    "compare PORTAL_CLIENT_ID with the application's client_id at the provider, " +
    "and PORTAL_ISSUER with its tenant",
  client_refused:
    "compare PORTAL_CLIENT_ID with the application's client_id. " +
    "Copy PORTAL_CLIENT_SECRET again from the provider (it may have expired or been renewed). " +
    "Compare PORTAL_CLIENT_AUTH with how the application is registered",
};

/**
 * Checks whether the redirect URI is registered, with the response that a browser would get. It is the
 * provider's login page, or 400 if client_id, redirect_uri or response_type is wrong.
 */
export async function checkAuthorization(provider: Provider): Promise<Check> {
  const { redirectUri } = provider.settings;
  try {
    const { status, location } = await probeAuthorization(provider);
    const found = `${status}${location ? ` to ${removeQuery(location, provider)}` : ""}`;
    const advice = `register exactly ${redirectUri} at the provider (and compare PORTAL_CLIENT_ID)`;
    if (status === 400)
      return failed("authorize", "the provider rejects the redirect URI", { found, advice });
    if (location?.startsWith(redirectUri)) return checkImmediateResponse(location, found);
    if (status === 200 || (status >= 300 && status < 400)) return ok("authorize", ACCEPTED, { found });
    if (status > 400)
      return failed("authorize", "the authorization endpoint does not work", { found, advice });
    return warning("authorize", INCONCLUSIVE, { found, advice });
  } catch (error) {
    const { code, message } = toPortalAuthError(error);
    return failed("authorize", "the authorization endpoint does not answer", {
      found: code,
      advice: message,
    });
  }
}

const ACCEPTED = "the provider accepts the redirect URI";

/**
 * Checks a redirect that comes back to the app at once. The redirect URI is registered then, but another part
 * of the request may be rejected (RFC 6749, section 4.1.2.1).
 */
function checkImmediateResponse(location: string, found: string): Check {
  const error = new URL(location).searchParams.get("error");
  if (error === null || error === "login_required") return ok("authorize", ACCEPTED, { found });
  const title = `the provider rejects the request: ${error.replace(/[^\w.]/g, "?").slice(0, 40)}`;
  return failed("authorize", title, { found, advice: "check PORTAL_SCOPE and authorizationParams" });
}

/** Returns a URL without its query, which contains codes and states. */
const removeQuery = (location: string, { metadata }: Provider): string =>
  URL.canParse(location, metadata.issuer)
    ? new URL(location, metadata.issuer).href.replace(/[?#].*$/, "")
    : "an invalid URL";

const toPortalAuthError = (error: unknown): PortalAuthError =>
  error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
