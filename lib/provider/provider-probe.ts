import { randomBytes } from "node:crypto";
import { importJWK, type JWK } from "jose";
import * as oidc from "openid-client";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { hasEndpointsByHand } from "../settings/has-endpoints-by-hand.js";
import { buildAuthorizationUrl, createSeed, deriveAttemptSecrets } from "./authorization-request.js";
import type { Provider } from "./discovery.js";
import { explainFailure } from "./explain-failure.js";
import { fetchKeySet } from "./fetch-key-set.js";
import { createProviderFetch } from "./provider-fetch.js";
import { getDiscoveryUrl, getInternalOrigin, toServerUrl } from "./server-url.js";

// Requests of the doctor to the provider. None of them changes anything there.

/**
 * Sends an invented code to the token endpoint. A provider that accepts the credentials answers
 * `invalid_grant` (RFC 6749, section 5.2). Returns the failure. Undefined if the provider accepted the code.
 */
export async function probeCredentials(provider: Provider): Promise<PortalAuthError | undefined> {
  const { code_verifier } = deriveAttemptSecrets(createSeed());
  const code = randomBytes(32).toString("base64url");
  const form = { code, redirect_uri: provider.settings.redirectUri, code_verifier };
  return oidc.genericGrantRequest(provider.configuration, "authorization_code", form).then(
    () => undefined,
    (error) => explainFailure(error, "token", [provider.settings.clientSecret, code, code_verifier]),
  );
}

/**
 * Sends an authorization request as a browser would. This server may reach the provider only at the internal
 * URL.
 */
export async function probeAuthorization(
  provider: Provider,
): Promise<{ status: number; location: string | undefined }> {
  const { settings } = provider;
  const { href } = buildAuthorizationUrl(provider, deriveAttemptSecrets(createSeed()), {});
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings));
  const response = await fetch(toServerUrl(href, settings), { headers: { accept: "text/html" } });
  return { status: response.status, location: response.headers.get("location") ?? undefined };
}

/** A key of the provider, and whether it can verify a signature. */
export interface ProbedKey {
  readonly kid: string;
  readonly kty: string;
  /** Why the key cannot be used. Undefined if it can. */
  readonly problem: string | undefined;
}

const MIN_RSA_BITS = 2048; // RFC 7518, section 3.3

/** Fetches the provider's keys as a login does, and checks each. */
export async function probeKeys({ metadata, settings, idTokenAlgorithms }: Provider): Promise<ProbedKey[]> {
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings));
  const keys = await fetchKeySet(fetch, String(metadata.jwks_uri), new Headers());
  return Promise.all(keys.map((key) => probeKey(key as JWK, idTokenAlgorithms)));
}

async function probeKey(key: JWK, algorithms: readonly string[]): Promise<ProbedKey> {
  const { kid = "no kid", kty = "no kty", alg, use } = key;
  const names = { kid: String(kid).slice(0, 60), kty: String(kty).slice(0, 20) };
  if (use !== undefined && use !== "sig") return { ...names, problem: "is not for signatures" };
  const algorithm = algorithms.find((name) => (alg === undefined ? isForAlgorithm(key, name) : alg === name));
  if (algorithm === undefined) return { ...names, problem: `is not for ${algorithms.join(" or ")}` };
  if (kty === "RSA" && countBits(key.n) < MIN_RSA_BITS)
    return { ...names, problem: `has under ${MIN_RSA_BITS} bits` };
  const isUsable = await importJWK(key, algorithm).then(
    () => true,
    () => false,
  );
  return { ...names, problem: isUsable ? undefined : "cannot be read" };
}

/** A Map, because a key can name `constructor` as its type. */
const FAMILIES = new Map([
  ["RSA", /^(RS|PS)/],
  ["EC", /^ES/],
  ["OKP", /^Ed/],
]);

const isForAlgorithm = ({ kty }: JWK, algorithm: string): boolean =>
  FAMILIES.get(String(kty))?.test(algorithm) ?? false;

const countBits = (n: string | undefined): number => 8 * Buffer.from(String(n ?? ""), "base64url").length;

/** A Date header omits the fraction of a second, so on average it is half a second old. */
const HALF_SECOND_MS = 500;

/**
 * Reads the discovery document as it is sent, and how many seconds the provider's clock is ahead of ours. The
 * difference is undefined if the response has no Date. Without discovery, the response with the keys has the
 * Date.
 */
export async function readDocument({ metadata, settings }: Provider) {
  const isByHand = hasEndpointsByHand(settings);
  const url = isByHand ? String(metadata.jwks_uri ?? metadata.token_endpoint) : getDiscoveryUrl(settings);
  const sentAt = Date.now();
  const response = await createProviderFetch(settings.httpTimeout, getInternalOrigin(settings))(url, {});
  const receivedAt = Date.now();
  const document: unknown = isByHand ? {} : await response.json().catch(() => undefined);
  return {
    document: (typeof document === "object" && document !== null ? document : {}) as Record<string, unknown>,
    aheadSeconds: measureSecondsAhead(response, (sentAt + receivedAt) / 2),
  };
}

function measureSecondsAhead({ headers }: Response, ownTime: number): number | undefined {
  // A response from a cache has an age (RFC 9111, section 5.1).
  const ageSeconds = Number(headers.get("age") ?? 0) || 0;
  const providerTime = Date.parse(headers.get("date") ?? "") + ageSeconds * 1000;
  return Number.isNaN(providerTime) ? undefined : (providerTime + HALF_SECOND_MS - ownTime) / 1000;
}
