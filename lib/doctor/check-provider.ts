import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { isUnencryptedUrl } from "../http/internal-url.js";
import type { Provider } from "../provider/discovery.js";
import { probeKeys } from "../provider/provider-probe.js";
import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import type { Settings } from "../settings/settings.js";
import { isSymmetric } from "../settings/signature-algorithms.js";
import { type Check, createChecks } from "./check.js";
import type { Connection } from "./probe-connection.js";

const { ok, warning, failed, skipped } = createChecks("portal");

const MIN_DAYS_LEFT = 14;

/** Checks whether the provider's host can be reached, and whether its certificate is trusted. */
export function checkConnection({ host, failure, certificate }: Connection): Check[] {
  if (failure) return [failed("connection", `no connection to ${host}`, failure)];
  const reached = ok("connection", `${host} answers`);
  if (!certificate) return [reached];
  const { problem, daysLeft, issuedBy } = certificate;
  if (problem) return [reached, failed("certificate", "the certificate is not trusted", problem)];
  const found = `by ${issuedBy}, ${daysLeft} days left`;
  if (daysLeft >= MIN_DAYS_LEFT) return [reached, ok("certificate", "the certificate is trusted", { found })];
  const advice = "the operator of the provider must renew it. Without a new one, no user can sign in";
  return [reached, warning("certificate", "the certificate expires soon", { found, advice })];
}

/** Returns the checks that need the discovery document as skipped, with the reason. */
export const skipDocument = (reason: string): Check[] => [
  skipped("endpoints", "endpoints", { found: reason }),
  skipped("keys", "keys", { found: reason }),
];

/** Creates the check for a discovery document that cannot be read or is invalid. */
export const createDiscoveryFailure = ({ code, message }: PortalAuthError): Check =>
  failed("discovery", "the discovery document cannot be used", { found: code, advice: message });

const OPTIONAL_ENDPOINTS = {
  userinfo_endpoint: ["userinfo", "userinfoUrl", "req.portal.userinfo() cannot be used"],
  revocation_endpoint: ["revocation", "revocationUrl", "a logout revokes no tokens at the provider"],
  end_session_endpoint: ["logout", "logoutUrl", "the provider's own session continues after a logout"],
} as const;

/** Checks the issuer, the endpoints and their sources, and the features that the document announces. */
export function checkDocument(provider: Provider, document: Record<string, unknown>): Check[] {
  const { settings, metadata } = provider;
  const { authorization_endpoint, token_endpoint } = metadata;
  return [
    checkIssuer(provider),
    ...checkInternalUrl(settings),
    ok("endpoints", "endpoints", { found: `${authorization_endpoint}, ${token_endpoint}` }),
    ...checkOptionalEndpoints(provider, document),
    ...checkAnnouncements(settings, document),
    ...checkAlgorithm(provider, document),
  ];
}

function checkOptionalEndpoints({ settings, metadata }: Provider, document: Record<string, unknown>) {
  return Object.entries(OPTIONAL_ENDPOINTS).map(([member, [name, option, consequence]]) => {
    const endpoint = metadata[member];
    if (typeof endpoint !== "string") return ok(name, `no ${name} endpoint`, { found: consequence });
    const fallback = document[member] ? "discovery" : `profile ${settings.profile.name}`;
    const origin = settings[option] ? "option" : fallback;
    return ok(name, `${name} endpoint`, { found: `${endpoint} (${origin})` });
  });
}

/** Describes the differences that discovery accepts. It has rejected all others before. */
function checkIssuer({ settings, metadata, issuer }: Provider): Check {
  const { issuerAsWritten, allowedTenants } = settings;
  const found = `the document says ${metadata.issuer}, PORTAL_ISSUER says ${issuerAsWritten}`;
  if (allowedTenants === "*" && issuer.hasTenants)
    return warning("issuer", "users of every tenant can sign in", {
      found,
      advice: "list the tenants in PORTAL_ALLOWED_TENANTS, or check the claim tid in onLogin",
    });
  if (issuer.hasTenants)
    return ok("issuer", `users of ${allowedTenants?.length} tenants can sign in`, { found });
  if (hasEndpointsByHand(settings))
    return ok("issuer", "tokens must contain exactly this issuer", {
      found: `${metadata.issuer} (no discovery)`,
    });
  if (metadata.issuer === issuerAsWritten)
    return ok("issuer", "PORTAL_ISSUER is exactly the document's issuer", { found: metadata.issuer });
  const title = "PORTAL_ISSUER is the document's issuer, except for a slash at the end, which is accepted";
  return ok("issuer", title, { found });
}

function checkInternalUrl({ internalUrl }: Settings): Check[] {
  if (internalUrl === undefined || !isUnencryptedUrl(internalUrl)) return [];
  const advice = "an attacker in that network can sign in as any user: keep it private, or use https";
  return [
    warning("internal", "requests to PORTAL_INTERNAL_URL are not encrypted", { found: internalUrl, advice }),
  ];
}

function checkAlgorithm({ idTokenAlgorithms }: Provider, document: Record<string, unknown>): Check[] {
  const announced = document["id_token_signing_alg_values_supported"];
  const found = `ID tokens must be signed with ${idTokenAlgorithms.join(" or ")}`;
  if (!Array.isArray(announced) || idTokenAlgorithms.some((algorithm) => announced.includes(algorithm)))
    return [ok("algorithm", "signature algorithm", { found })];
  const advice = "compare PORTAL_ID_TOKEN_ALG with the application's registration at the provider";
  return [warning("algorithm", `the provider announces ${formatList(announced)}`, { found, advice })];
}

/** Checks the features that the document announces. A member that it omits proves nothing. */
function checkAnnouncements(
  { clientAuth, profile, scope }: Settings,
  document: Record<string, unknown>,
): Check[] {
  const isMissing = (member: string, value: string): boolean =>
    Array.isArray(document[member]) && !(document[member] as unknown[]).includes(value);
  const checks: Check[] = [];
  if (isMissing("token_endpoint_auth_methods_supported", clientAuth) && clientAuth !== "none")
    checks.push(
      warning("client_auth", `the provider does not announce ${clientAuth}`, {
        found: `it announces ${formatList(document["token_endpoint_auth_methods_supported"])}`,
        advice: "set PORTAL_CLIENT_AUTH to one of those",
      }),
    );
  if (isMissing("grant_types_supported", "refresh_token"))
    checks.push(
      warning("refresh", "the provider does not announce the grant type refresh_token", {
        advice: "users must sign in again each time an access token expires",
      }),
    );
  if (isMissing("code_challenge_methods_supported", "S256"))
    checks.push(
      warning("pkce", "the provider does not announce PKCE with S256", { advice: "it is used anyway" }),
    );
  const unknown = scope.split(/\s+/).filter((value) => isMissing("scopes_supported", value));
  // The document of Tencent CIAM lists only openid.
  if (unknown.length > 0 && profile.name !== "tencent-ciam")
    checks.push(
      warning("scope", `the provider does not announce ${unknown.join(", ")}`, {
        advice: "it may ignore or reject a scope that it does not know: check PORTAL_SCOPE",
      }),
    );
  return checks;
}

const formatList = (value: unknown): string =>
  (Array.isArray(value) ? value : []).map(String).join(", ").slice(0, 200);

/** Checks whether a signature can be verified with the provider's keys, or with the client secret. */
export async function checkKeys(provider: Provider): Promise<Check> {
  if (provider.idTokenAlgorithms.every(isSymmetric))
    return ok("keys", "signatures are verified with the client secret", {
      found: provider.idTokenAlgorithms.join(", "),
    });
  const url = String(provider.metadata.jwks_uri);
  try {
    const keys = await probeKeys(provider);
    const found = keys.map(({ kid, kty, problem }) => `${kty} ${kid}${problem ? ` ${problem}` : ""}`);
    const details = { found: found.join("; ") || "the set is empty" };
    if (keys.every(({ problem }) => problem !== undefined))
      return failed("keys", "no key can verify a signature", {
        ...details,
        advice: `every ID token will be rejected: check ${url} and the provider's signing algorithm`,
      });
    return keys.some(({ problem }) => problem?.includes("bits"))
      ? warning("keys", VERIFIABLE, {
          ...details,
          advice: "a key that short is not secure: let the provider create another one",
        })
      : ok("keys", VERIFIABLE, details);
  } catch (error) {
    const { code, message } = error as PortalAuthError;
    return failed("keys", "the keys cannot be read", { found: `${code}: ${url}`, advice: message });
  }
}

const VERIFIABLE = "signatures can be verified with the provider's keys";

/**
 * Compares the provider's clock with ours, by the Date of a response (RFC 9110, section 6.6.1). It counts
 * whole seconds.
 */
export function checkClock(aheadSeconds: number | undefined, { clockTolerance }: Settings): Check {
  if (aheadSeconds === undefined)
    return skipped("clock", "clocks", { found: "the provider's responses have no Date" });
  const seconds = Math.round(aheadSeconds);
  const found =
    seconds === 0
      ? "the same"
      : `the provider's is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`;
  const advice =
    "set this machine's clock (NTP), or have the provider's set. " +
    "PORTAL_CLOCK_TOLERANCE only widens the accepted difference";
  if (Math.abs(aheadSeconds) > clockTolerance + 1)
    return failed("clock", "clocks differ too much", { found, advice });
  if (Math.abs(aheadSeconds) > clockTolerance / 2 + 1)
    return warning("clock", "clocks differ", { found, advice });
  return ok("clock", "clocks agree", { found });
}
