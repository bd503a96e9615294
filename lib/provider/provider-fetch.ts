import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSafeUrl } from "../http/safe-url.js";
import type { ProviderRequest } from "./provider-request.js";
import { createRateLimit } from "./rate-limit.js";
import { createRequestTimeout } from "./request-timeout.js";

const MAX_BODY_BYTES = 1024 * 1024;

/** Sends a request to the provider. */
export type ProviderFetch = (url: string, request: ProviderRequest) => Promise<Response>;

/**
 * Creates a fetch with limits. It follows no redirect and reads no response over 1 MiB. The timeout covers
 * the body, and the second try of a GET. After a Retry-After, it repeats no request before the given time.
 *
 * The timeout of a refresh is twice as long. Its response can contain the only valid refresh token. If the
 * old one were sent again, a provider that rotates refresh tokens would treat that as theft.
 *
 * @param internalOrigin the origin of the option `internalUrl`, which may be http in a container network
 */
export function createProviderFetch(
  timeoutSeconds: number,
  internalOrigin?: string,
  clock: Clock = Date.now,
): ProviderFetch {
  const rateLimit = createRateLimit(clock);
  return async function providerFetch(url, request) {
    const { origin } = new URL(url);
    if (!isSafeUrl(url) && origin !== internalOrigin)
      throw new PortalAuthError("discovery_invalid", {
        detail: `${origin} is neither https nor http on loopback`,
      });
    rateLimit.check(url, request);
    const signal = createRequestTimeout(Math.ceil(timeoutSeconds * 1000) * (isRefresh(request) ? 2 : 1));
    try {
      const response = await retryAfterReset(request, () =>
        fetch(url, { ...toSingleUseRequest(request), redirect: "manual", signal }),
      );
      if (!isErrorStatus(response.status) && isKnownToBeSmall(response)) return response;
      const body = await readLimitedBody(response, origin);
      const limited = new Response(body.length > 0 ? body : null, response);
      if (isErrorStatus(limited.status)) rememberNamedError(limited, body);
      rateLimit.record(url, request, limited);
      return limited;
    } catch (error) {
      throw createNetworkError(error, origin);
    }
  };
}

/** Returns whether a request is a refresh (RFC 6749, section 6). */
const isRefresh = ({ body }: ProviderRequest): boolean =>
  body instanceof URLSearchParams && body.get("grant_type") === "refresh_token";

/** Codes of a connection that ended before the response. */
const RESETS = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

/**
 * Sends a GET again if the connection was reset before the response. Providers close idle connections, and a
 * request that is sent at that moment is lost (RFC 9112, section 9.3.1). A POST is never repeated: its code
 * or refresh token may have been used, and a second use revokes the tokens of the first.
 */
async function retryAfterReset(
  { method = "GET" }: ProviderRequest,
  send: () => Promise<Response>,
): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    if (method !== "GET" || !RESETS.includes(findNetworkCode(error))) throw error;
    return send();
  }
}

/**
 * fetch repeats a request after a 421 if it still has the body (Fetch Standard, HTTP-network-or-cache fetch,
 * step 16). A code that is sent twice revokes its tokens. Therefore the body is a stream, which cannot be
 * read again.
 */
function toSingleUseRequest({ method = "GET", headers: requestHeaders, body }: ProviderRequest): RequestInit {
  const headers = new Headers(requestHeaders);
  if (body === undefined || body === null) return { method, headers };
  const bytes = new TextEncoder().encode(String(body));
  headers.set("content-length", String(bytes.length));
  return { method, headers, body: toStream(bytes), duplex: "half" } as RequestInit;
}

function toStream(bytes: Uint8Array): ReadableStream {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(bytes);
      controller.close();
    },
  });
}

/**
 * Returns whether the announced length is within the limit and no decoding makes the body longer. Then the
 * body need not be counted.
 */
function isKnownToBeSmall({ headers }: Response): boolean {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  return length > 0 && length <= MAX_BODY_BYTES && !headers.has("content-encoding");
}

async function readLimitedBody(response: Response, origin: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the stream, which closes the connection.
    if (length > MAX_BODY_BYTES)
      throw new PortalAuthError("portal_answer_invalid", { detail: `${origin} sent over 1 MiB` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The error that a provider names in the body of its response (RFC 6749, section 5.2). */
export interface NamedError {
  readonly error: string | undefined;
  readonly error_description: string | undefined;
}

const namedErrors = new WeakMap<Response, NamedError>();

/**
 * Returns the error in the body of a response with a status of 400 or more. Undefined if the body names no
 * error. The protocol library reads it only from some of these responses: not beside a WWW-Authenticate
 * header, and not at userinfo.
 */
export const getNamedError = (response: Response): NamedError | undefined => namedErrors.get(response);

const isErrorStatus = (status: number): boolean => status >= 400 && status <= 599;

/** The content type is ignored, because some providers send their errors as text/html. */
function rememberNamedError(response: Response, body: Buffer): void {
  if (body.at(0) !== "{".charCodeAt(0)) return;
  try {
    const { error, error_description } = JSON.parse(body.toString("utf8"));
    const named = { error: parseErrorName(error), error_description: parseDescription(error_description) };
    if (named.error !== undefined || named.error_description !== undefined) namedErrors.set(response, named);
  } catch {} // the body is not JSON
}

/**
 * The name goes into log lines and events, so a value in another form than that of the specifications is
 * ignored.
 */
const parseErrorName = (value: unknown): string | undefined =>
  typeof value === "string" && /^[a-z_]{1,60}$/i.test(value) ? value : undefined;

const parseDescription = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** Returns whether a later try may succeed. 429 means a temporary failure as well (RFC 6585, section 4). */
export const isTemporaryFailure = (status: number): boolean => status >= 500 || status === 429;

/**
 * Creates the error for a request that got no complete response. The error of the network distinguishes a
 * timeout from an unreachable provider.
 *
 * @param origin the origin or the endpoint, for the log
 */
export function createNetworkError(error: unknown, origin: string): PortalAuthError {
  if (error instanceof PortalAuthError) return error;
  const isTimeout = error instanceof Error && error.name === "TimeoutError";
  const detail = `${origin}: ${isTimeout ? "no response in time" : findNetworkCode(error)}`;
  return new PortalAuthError(isTimeout ? "portal_timeout" : "portal_unreachable", { detail });
}

/** Finds the system's code of the failure (ECONNREFUSED, ENOTFOUND, …). Messages may repeat what was sent. */
function findNetworkCode(error: unknown): string {
  let name = "unknown";
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
    name = cause.name; // the innermost name is the most specific
  }
  return name;
}
