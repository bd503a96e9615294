import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { isUnencryptedUrl } from "../http/internal-url.js";
import type { Provider } from "../provider/discovery.js";
import { probeKeys } from "../provider/provider-probe.js";
import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import type { Settings } from "../settings/settings.js";
import { isSymmetric } from "../settings/signature-algorithms.js";
import { type Check, checksOf } from "./check.js";
import type { Connection } from "./probe-connection.js";

const { ok, warning, failed, skipped } = checksOf("portal");

const WEEKS_LEFT_DAYS = 14;

/** Whether the portal's host can be reached, and its certificate be believed. */
export function checkConnection({ host, failure, certificate }: Connection): Check[] {
  if (failure) return [failed("connection", `no connection to ${host}`, failure)];
  const reached = ok("connection", `${host} answers`);
  if (!certificate) return [reached];
  const { problem, daysLeft, issuedBy } = certificate;
  if (problem) return [reached, failed("certificate", "the certificate is not trusted", problem)];
  const found = `by ${issuedBy}, ${daysLeft} days left`;
  if (daysLeft >= WEEKS_LEFT_DAYS)
    return [reached, ok("certificate", "the certificate is trusted", { found })];
  const advice = "whoever runs the portal must renew it: afterwards nobody can sign in";
  return [reached, warning("certificate", "the certificate ends soon", { found, advice })];
}

/** What cannot be looked at when the document cannot be read. */
export const withoutPortal = (reason: string): Check[] => [
  skipped("endpoints", "endpoints", { found: reason }),
  skipped("keys", "keys", { found: reason }),
];

export const discoveryFailed = ({ code, message }: PortalAuthError): Check =>
  failed("discovery", "the discovery document cannot be used", { found: code, advice: message });

const ENDPOINTS = {
  userinfo_endpoint: ["userinfo", "userinfoUrl"],
  revocation_endpoint: ["revocation", "revocationUrl"],
  end_session_endpoint: ["logout", "logoutUrl"],
} as const;

/** The issuer, the endpoints and where they come from, and what the document announces. */
export function checkDocument(provider: Provider, document: Record<string, unknown>): Check[] {
  const { settings, metadata } = provider;
  const { authorization_endpoint, token_endpoint } = metadata;
  const optional = Object.entries(ENDPOINTS).map(([member, [name, option]]) => {
    const address = metadata[member];
    if (typeof address !== "string") return ok(name, `no ${name} endpoint`, { found: withoutEndpoint(name) });
    const origin = settings[option]
      ? "option"
      : document[member]
        ? "discovery"
        : `profile ${settings.profile.name}`;
    return ok(name, `${name} endpoint`, { found: `${address} (${origin})` });
  });
  return [
    checkIssuer(provider),
    ...checkInternal(settings),
    ok("endpoints", "endpoints", { found: `${authorization_endpoint}, ${token_endpoint}` }),
    ...optional,
    ...checkAnnounced(settings, document),
    ...checkAlgorithm(provider, document),
  ];
}

/** Discovery has compared the two already: here are the differences that it accepts. */
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
    return ok("issuer", "tokens must have exactly this issuer", {
      found: `${metadata.issuer} (no discovery)`,
    });
  if (metadata.issuer === issuerAsWritten)
    return ok("issuer", "PORTAL_ISSUER is exactly the document's issuer", { found: metadata.issuer });
  return ok(
    "issuer",
    "PORTAL_ISSUER is the document's issuer, but for a slash at the end, which is accepted",
    {
      found,
    },
  );
}

function checkInternal({ internalUrl }: Settings): Check[] {
  if (internalUrl === undefined || !isUnencryptedUrl(internalUrl)) return [];
  const advice = "an attacker in that network can sign in as any user: keep it private, or write https";
  return [
    warning("internal", "requests to PORTAL_INTERNAL_URL are not encrypted", { found: internalUrl, advice }),
  ];
}

function checkAlgorithm({ idTokenAlgorithms }: Provider, document: Record<string, unknown>): Check[] {
  const announced = document["id_token_signing_alg_values_supported"];
  const found = `ID tokens must be signed with ${idTokenAlgorithms.join(" or ")}`;
  if (!Array.isArray(announced) || idTokenAlgorithms.some((one) => announced.includes(one)))
    return [ok("algorithm", "signature algorithm", { found })];
  const advice = "compare PORTAL_ID_TOKEN_ALG with the application's registration at the provider";
  return [warning("algorithm", `the provider announces ${list(announced)}`, { found, advice })];
}

const WITHOUT: Readonly<Record<string, string>> = {
  userinfo: "req.portal.userinfo() cannot be used",
  revocation: "a logout revokes nothing there",
  logout: "the portal's own session lives on after a logout",
};

const withoutEndpoint = (name: string): string => WITHOUT[name] ?? "";

/** What the document says that the application may or may not do; what it leaves out is no evidence. */
function checkAnnounced(
  { clientAuth, profile, scope }: Settings,
  document: Record<string, unknown>,
): Check[] {
  const lacks = (member: string, value: string): boolean =>
    Array.isArray(document[member]) && !(document[member] as unknown[]).includes(value);
  const checks: Check[] = [];
  if (lacks("token_endpoint_auth_methods_supported", clientAuth) && clientAuth !== "none")
    checks.push(
      warning("client_auth", `the portal does not announce ${clientAuth}`, {
        found: `it announces ${list(document["token_endpoint_auth_methods_supported"])}`,
        advice: "write one of those into PORTAL_CLIENT_AUTH",
      }),
    );
  if (lacks("grant_types_supported", "refresh_token"))
    checks.push(
      warning("refresh", "the portal does not announce the grant type refresh_token", {
        advice: "people sign in again whenever an access token ends",
      }),
    );
  if (lacks("code_challenge_methods_supported", "S256"))
    checks.push(
      warning("pkce", "the portal does not announce PKCE with S256", { advice: "it is sent all the same" }),
    );
  const unknown = scope.split(/\s+/).filter((one) => lacks("scopes_supported", one));
  if (unknown.length > 0 && profile.name !== "tencent-ciam")
    // whose document lists openid alone
    checks.push(
      warning("scope", `the portal does not announce ${unknown.join(", ")}`, {
        advice: "a scope that it does not know it may ignore or refuse: look at PORTAL_SCOPE",
      }),
    );
  return checks;
}

const list = (value: unknown): string =>
  (Array.isArray(value) ? value : []).map(String).join(", ").slice(0, 200);

/** Whether a signature can be checked. */
export async function checkKeys(provider: Provider): Promise<Check> {
  const title = "keys that signatures can be checked with";
  if (provider.idTokenAlgorithms.every(isSymmetric))
    return ok("keys", "signatures are checked with the client secret", {
      found: provider.idTokenAlgorithms.join(", "),
    });
  const from = String(provider.metadata.jwks_uri);
  try {
    const keys = await probeKeys(provider);
    const good = keys.filter(({ problem }) => problem === undefined);
    const bad = keys.filter(({ problem }) => problem !== undefined);
    const found = keys
      .map(({ kid, kty, problem }) => `${kty} ${kid}${problem ? ` ${problem}` : ""}`)
      .join("; ");
    if (good.length === 0)
      return failed("keys", "no key that a signature can be checked with", {
        found: found || "the set is empty",
        advice: `no ID token can be believed: look at ${from} and at the portal's signing algorithm`,
      });
    return bad.some(({ problem }) => problem?.includes("bits"))
      ? warning("keys", title, {
          found,
          advice: "a key that short is not to be trusted: let the portal make another",
        })
      : ok("keys", title, { found });
  } catch (error) {
    const { code, message } = error as PortalAuthError;
    return failed("keys", "the keys cannot be read", { found: `${code}: ${from}`, advice: message });
  }
}

/** The portal's clock against ours, by the Date of an answer (RFC 9110, section 6.6.1), which counts whole seconds. */
export function checkClock(aheadSeconds: number | undefined, { clockTolerance }: Settings): Check {
  if (aheadSeconds === undefined)
    return skipped("clock", "clocks", { found: "the portal's answers carry no Date" });
  const seconds = Math.round(aheadSeconds);
  const found =
    seconds === 0 ? "the same" : `the portal's is ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}`;
  const advice =
    "set this machine's clock (NTP), or let the portal's be set; PORTAL_CLOCK_TOLERANCE only widens what is let through";
  if (Math.abs(aheadSeconds) > clockTolerance + 1)
    return failed("clock", "clocks differ too much", { found, advice });
  if (Math.abs(aheadSeconds) > clockTolerance / 2 + 1)
    return warning("clock", "clocks differ", { found, advice });
  return ok("clock", "clocks agree", { found });
}
