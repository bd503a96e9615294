import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { keepNewest } from "../util/bounded-map.js";
import { sha256 } from "../util/sha256.js";
import type { ProviderRequest } from "./provider-request.js";

/** However long a provider asks us to wait: somebody may have written days there. */
const MAX_WAIT_SECONDS = 60;
/** Kinds of requests that are remembered. */
const MAX_KINDS = 1000;

/** Remembers which requests a provider has asked us to repeat later (RFC 9110, section 10.2.3; RFC 6585, section 4). */
export interface RateLimit {
  /** @throws PortalAuthError `portal_failed` while the provider must not be asked for this */
  check(url: string, request: ProviderRequest): void;
  /** Reads Retry-After from an answer of 429 or 503. */
  record(url: string, request: ProviderRequest, response: Response): void;
}

const retryAfterByResponse = new WeakMap<Response, number>();

/** The seconds after which the provider may be asked again, at most 60; undefined where it did not say. */
export const getRetryAfter = (response: Response): number | undefined => retryAfterByResponse.get(response);

export function createRateLimit(clock: Clock): RateLimit {
  const until = new Map<string, number>(); // epoch milliseconds; oldest first
  return {
    check(url, request) {
      const seconds = Math.ceil(((until.get(toRequestKind(url, request)) ?? 0) - clock()) / 1000);
      // a clock that was set back does not make it longer
      if (seconds <= 0 || seconds > MAX_WAIT_SECONDS) return;
      const detail = `${new URL(url).origin} has asked not to be asked again for ${seconds} s`;
      throw new PortalAuthError("portal_failed", { detail, retryAfter: seconds });
    },
    record(url, request, response) {
      const seconds = readRetryAfter(response, clock());
      if (seconds === undefined) return;
      retryAfterByResponse.set(response, seconds);
      keepNewest(until, toRequestKind(url, request), clock() + 1000 * seconds, MAX_KINDS);
    },
  };
}

/** Either seconds, or a date. */
function readRetryAfter({ status, headers }: Response, now: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const value = headers.get("retry-after") ?? "";
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - now) / 1000);
  return seconds >= 1 ? Math.min(seconds, MAX_WAIT_SECONDS) : undefined;
}

/**
 * What counts as the same: the endpoint, and the grant type of a token request. A request with an access token is its user's:
 * providers limit userinfo for each user, and the others need not wait.
 */
function toRequestKind(url: string, { method = "GET", headers, body }: ProviderRequest): string {
  if (method !== "GET")
    return `${method} ${url} ${new URLSearchParams(String(body ?? "")).get("grant_type")}`;
  const token = new Headers(headers).get("authorization") ?? "";
  return `GET ${url} ${token && sha256(token)}`;
}
