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

// What a doctor asks of a portal. Nothing of it changes anything there.

/**
 * The credentials, by a code that was made up: who is believed is told that it is no good (RFC 6749, section 5.2,
 * invalid_grant). Gives the failure; undefined where the portal took it for a code.
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

/** Sends an authorization request as a browser would. This server may reach the provider at the internal address only. */
export async function probeAuthorization(
  provider: Provider,
): Promise<{ status: number; location: string | undefined }> {
  const { settings } = provider;
  const { href } = buildAuthorizationUrl(provider, deriveAttemptSecrets(createSeed()), {});
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings));
  const answer = await fetch(toServerUrl(href, settings), { headers: { accept: "text/html" } });
  return { status: answer.status, location: answer.headers.get("location") ?? undefined };
}

/** A key of the portal's, and whether it can check a signature. */
export interface ProbedKey {
  readonly kid: string;
  readonly kty: string;
  /** Why it is of no use; undefined for one that is. */
  readonly problem: string | undefined;
}

const MIN_RSA_BITS = 2048; // RFC 7518, section 3.3

/** The keys, as a login would use them. */
export async function probeKeys({ metadata, settings, idTokenAlgorithms }: Provider): Promise<ProbedKey[]> {
  const fetch = createProviderFetch(settings.httpTimeout, getInternalOrigin(settings));
  const keys = await fetchKeySet(fetch, String(metadata.jwks_uri), new Headers());
  return Promise.all(keys.map((key) => probeKey(key as JWK, idTokenAlgorithms)));
}

async function probeKey(key: JWK, algorithms: readonly string[]): Promise<ProbedKey> {
  const { kid = "no kid", kty = "no kty", alg, use } = key;
  const names = { kid: String(kid).slice(0, 60), kty: String(kty).slice(0, 20) };
  if (use !== undefined && use !== "sig") return { ...names, problem: "is not for signatures" };
  const possible = algorithms.filter((one) => (alg === undefined ? isForAlgorithm(key, one) : alg === one));
  const [first] = possible;
  if (first === undefined) return { ...names, problem: `is for none of ${algorithms.join(", ")}` };
  if (kty === "RSA" && countBits(key.n) < MIN_RSA_BITS)
    return { ...names, problem: `has under ${MIN_RSA_BITS} bits` };
  const usable = await importJWK(key, first).then(
    () => true,
    () => false,
  );
  return { ...names, problem: usable ? undefined : "cannot be read" };
}

/** A map, as a key may name `constructor` as its type. */
const FAMILIES = new Map([
  ["RSA", /^(RS|PS)/],
  ["EC", /^ES/],
  ["OKP", /^Ed/],
]);

const isForAlgorithm = ({ kty }: JWK, algorithm: string): boolean =>
  FAMILIES.get(String(kty))?.test(algorithm) ?? false;

const countBits = (n: string | undefined): number => 8 * Buffer.from(String(n ?? ""), "base64url").length;

/**
 * Reads the discovery document as it is sent, and how far the provider's clock is ahead of ours, in seconds, if its answer has
 * a Date. Without discovery the answer with the keys has it.
 */
export async function readDocument({ metadata, settings }: Provider) {
  const isByHand = hasEndpointsByHand(settings);
  const address = isByHand ? String(metadata.jwks_uri ?? metadata.token_endpoint) : getDiscoveryUrl(settings);
  const asked = Date.now();
  const answer = await createProviderFetch(settings.httpTimeout, getInternalOrigin(settings))(address, {});
  const answered = Date.now();
  const age = Number(answer.headers.get("age") ?? 0) || 0; // of an answer that a cache has kept (RFC 9111, section 5.1)
  const names = Date.parse(answer.headers.get("date") ?? "") + age * 1000;
  const document: unknown = isByHand ? {} : await answer.json().catch(() => undefined);
  return {
    document: (typeof document === "object" && document !== null ? document : {}) as Record<string, unknown>,
    // the Date has no part of a second: on the average it is half a second old
    aheadSeconds: Number.isNaN(names) ? undefined : (names + 500 - (asked + answered) / 2) / 1000,
  };
}
