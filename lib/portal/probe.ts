import { randomBytes } from "node:crypto";
import { importJWK, type JWK } from "jose";
import * as oidc from "openid-client";
import type { PortalAuthError } from "../errors.js";
import type { Settings } from "../settings/settings.js";
import { withoutSlash } from "../without-slash.js";
import { attemptOf, authorizationUrl, newSeed } from "./authorize.js";
import type { Portal } from "./discover.js";
import { explainFailure } from "./explain-failure.js";
import { createFetch } from "./http.js";
import { acceptedAlgorithms, readKeySet } from "./keys.js";

// What a doctor asks of a portal. Nothing of it changes anything there.

/**
 * The credentials, by a code that was made up: who is believed is told that it is no good (RFC 6749, section 5.2,
 * invalid_grant). Gives the failure; undefined where the portal took it for a code.
 */
export async function tryCredentials(portal: Portal): Promise<PortalAuthError | undefined> {
  const { code_verifier } = attemptOf(newSeed());
  const code = randomBytes(32).toString("base64url");
  const form = { code, redirect_uri: portal.settings.redirectUri, code_verifier };
  return oidc.genericGrantRequest(portal.configuration, "authorization_code", form).then(
    () => undefined,
    (error) => explainFailure(error, "token", [portal.settings.clientSecret, code, code_verifier]),
  );
}

/** What the portal answers to an authorization request: a browser would see it. */
export async function tryAuthorization(portal: Portal): Promise<{ status: number; location: string | undefined }> {
  const url = authorizationUrl(portal, attemptOf(newSeed()), {});
  const answer = await createFetch(portal.settings.httpTimeout)(url.href, { headers: { accept: "text/html" } });
  return { status: answer.status, location: answer.headers.get("location") ?? undefined };
}

/** A key of the portal's, and whether it can check a signature. */
export interface ProbedKey {
  readonly kid: string;
  readonly kty: string;
  /** Why it is of no use; undefined for one that is. */
  readonly problem: string | undefined;
}

const LEAST_RSA_BITS = 2048; // RFC 7518, section 3.3

/** The keys, as a login would use them. */
export async function tryKeys({ metadata, settings }: Portal): Promise<ProbedKey[]> {
  const keys = await readKeySet(createFetch(settings.httpTimeout), String(metadata.jwks_uri), new Headers());
  const algorithms = acceptedAlgorithms(metadata.id_token_signing_alg_values_supported);
  return Promise.all(keys.map((key) => tryKey(key as JWK, algorithms)));
}

async function tryKey(key: JWK, algorithms: readonly string[]): Promise<ProbedKey> {
  const { kid = "no kid", kty = "no kty", alg, use } = key;
  const told = { kid: String(kid).slice(0, 60), kty: String(kty).slice(0, 20) };
  if (use !== undefined && use !== "sig") return { ...told, problem: "is not for signatures" };
  const possible = algorithms.filter((one) => (alg === undefined ? fits(key, one) : alg === one));
  const [first] = possible;
  if (first === undefined) return { ...told, problem: `is for none of ${algorithms.join(", ")}` };
  if (kty === "RSA" && bitsOf(key.n) < LEAST_RSA_BITS) return { ...told, problem: `has under ${LEAST_RSA_BITS} bits` };
  const usable = await importJWK(key, first).then(
    () => true,
    () => false,
  );
  return { ...told, problem: usable ? undefined : "cannot be read" };
}

const FAMILIES: Readonly<Record<string, RegExp>> = { RSA: /^(RS|PS)/, EC: /^ES/, OKP: /^Ed/ };

const fits = ({ kty }: JWK, algorithm: string): boolean => FAMILIES[String(kty)]?.test(algorithm) ?? false;

const bitsOf = (n: string | undefined): number => 8 * Buffer.from(String(n ?? ""), "base64url").length;

/** The discovery document as it is sent, and how far the portal's clock is ahead of ours, in seconds, if it tells. */
export async function readDocument({ issuer, httpTimeout }: Settings) {
  const asked = Date.now();
  const answer = await createFetch(httpTimeout)(`${withoutSlash(issuer)}/.well-known/openid-configuration`, {});
  const answered = Date.now();
  const age = Number(answer.headers.get("age") ?? 0) || 0; // of an answer that a cache has kept (RFC 9111, section 5.1)
  const told = Date.parse(answer.headers.get("date") ?? "") + age * 1000;
  const document: unknown = await answer.json().catch(() => undefined);
  return {
    document: (typeof document === "object" && document !== null ? document : {}) as Record<string, unknown>,
    // the Date has no part of a second: on the average it is half a second old
    aheadSeconds: Number.isNaN(told) ? undefined : (told + 500 - (asked + answered) / 2) / 1000,
  };
}
