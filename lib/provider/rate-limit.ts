import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { BoundedMap } from "../util/bounded-map.js";
import { sha256 } from "../util/sha256.js";
import type { ProviderRequest } from "./provider-request.js";

/** Limits the pause that a provider can require. A misconfigured one may require days. */
const MAX_WAIT_SECONDS = 60;
/** Kinds of requests that are remembered. */
const MAX_KINDS = 1000;

/** Remembers which requests must pause, by Retry-After (RFC 9110, section 10.2.3; RFC 6585, section 4). */
export interface RateLimit {
  /** @throws PortalAuthError `portal_failed` while requests of this kind must pause */
  check(url: string, request: ProviderRequest): void;
  /** Reads Retry-After from a response with status 429 or 503. */
  record(url: string, request: ProviderRequest, response: Response): void;
}

const retryAfterByResponse = new WeakMap<Response, number>();

/** Returns the pause that a response requires, in seconds, at most 60. Undefined if it requires none. */
export const getRetryAfter = (response: Response): number | undefined => retryAfterByResponse.get(response);

/** Creates an empty memory of pauses. */
export function createRateLimit(clock: Clock): RateLimit {
  const pausedUntil = new BoundedMap<string, number>(MAX_KINDS); // in epoch milliseconds
  return {
    check(url, request) {
      const seconds = Math.ceil(((pausedUntil.get(toRequestKind(url, request)) ?? 0) - clock()) / 1000);
      // If the clock was set back, the pause does not become longer.
      if (seconds <= 0 || seconds > MAX_WAIT_SECONDS) return;
      const detail = `${new URL(url).origin} requires a pause of ${seconds} s (Retry-After)`;
      throw new PortalAuthError("portal_failed", { detail, retryAfter: seconds });
    },
    record(url, request, response) {
      const seconds = readRetryAfter(response, clock());
      if (seconds === undefined) return;
      retryAfterByResponse.set(response, seconds);
      pausedUntil.set(toRequestKind(url, request), clock() + 1000 * seconds);
    },
  };
}

/** The header is a number of seconds or a date. */
function readRetryAfter({ status, headers }: Response, now: number): number | undefined {
  if (status !== 429 && status !== 503) return undefined;
  const value = headers.get("retry-after") ?? "";
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - now) / 1000);
  return seconds >= 1 ? Math.min(seconds, MAX_WAIT_SECONDS) : undefined;
}

/**
 * Requests of one kind pause together: those to one endpoint, and token requests with the same grant type. A
 * request with an access token belongs to its user, because providers limit userinfo for each user.
 */
function toRequestKind(url: string, { method = "GET", headers, body }: ProviderRequest): string {
  if (method !== "GET")
    return `${method} ${url} ${new URLSearchParams(String(body ?? "")).get("grant_type")}`;
  const token = new Headers(headers).get("authorization") ?? "";
  return `GET ${url} ${token && sha256(token)}`;
}
