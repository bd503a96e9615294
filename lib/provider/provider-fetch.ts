import type { Clock } from "../contract/clock.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { isSafeUrl } from "../http/safe-url.js";
import type { ProviderRequest } from "./provider-request.js";
import { createRateLimit } from "./rate-limit.js";
import { createRequestTimeout } from "./request-timeout.js";

const MAX_BODY_BYTES = 1024 * 1024;

export type ProviderFetch = (url: string, request: ProviderRequest) => Promise<Response>;

/**
 * Creates a fetch that leaves nothing open. It follows no redirect and reads no answer over 1 MiB. The timeout covers the
 * body, and the second try of a GET. It asks for nothing again before the time that a Retry-After named.
 *
 * The answer to a refresh is awaited for twice as long: it can bring the only good refresh token, and a provider that
 * rotates them takes the old one for stolen afterwards.
 *
 * @param internalOrigin Of the option `internalUrl`, which may be http in a container network
 */
export function createProviderFetch(
  timeoutSeconds: number,
  internalOrigin?: string,
  clock: Clock = Date.now,
): ProviderFetch {
  const rateLimit = createRateLimit(clock);
  return async function portalFetch(url, request) {
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

/** RFC 6749, section 6. */
const isRefresh = ({ body }: ProviderRequest): boolean =>
  body instanceof URLSearchParams && body.get("grant_type") === "refresh_token";

/** A connection that ended before there was an answer. */
const RESETS = ["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"];

/**
 * Sends a GET once more if the connection was reset before the answer. A provider closes idle connections, and a request
 * that is sent at that moment is lost (RFC 9112, section 9.3.1). A POST is never repeated: its code or refresh token may
 * have been used, and a second use ends the tokens of the first.
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
 * fetch repeats a request when the answer is 421 and it still has the body at hand (Fetch Standard,
 * HTTP-network-or-cache fetch, step 16). A code that is sent twice ends the tokens that it gave, so the body
 * is handed over as a stream, which cannot be read again.
 */
function toSingleUseRequest({ method = "GET", headers: given, body }: ProviderRequest): RequestInit {
  const headers = new Headers(given);
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

/** A length that was announced, and that no decoding makes more of: the reader may take it as it comes. */
function isKnownToBeSmall({ headers }: Response): boolean {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  return length > 0 && length <= MAX_BODY_BYTES && !headers.has("content-encoding");
}

async function readLimitedBody(response: Response, origin: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // leaving the loop cancels the stream, which closes the connection
    if (length > MAX_BODY_BYTES)
      throw new PortalAuthError("portal_answer_invalid", { detail: `${origin} sent over 1 MiB` });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The error that a provider names in the body of its answer (RFC 6749, section 5.2). */
export interface NamedError {
  readonly error: string | undefined;
  readonly error_description: string | undefined;
}

const namedErrors = new WeakMap<Response, NamedError>();

/**
 * The error in the body of an answer of 400 or more; undefined where it names none. The protocol library looks for it in
 * some of these answers only: not beside a WWW-Authenticate header, and not at userinfo.
 */
export const getNamedError = (response: Response): NamedError | undefined => namedErrors.get(response);

const isErrorStatus = (status: number): boolean => status >= 400 && status <= 599;

/** Whatever its content type says: some providers send their errors as text/html. */
function rememberNamedError(response: Response, body: Buffer): void {
  if (body.at(0) !== "{".charCodeAt(0)) return;
  try {
    const { error, error_description } = JSON.parse(body.toString("utf8"));
    const named = { error: parseErrorName(error), error_description: toNonEmptyText(error_description) };
    if (named.error !== undefined || named.error_description !== undefined) namedErrors.set(response, named);
  } catch {} // it only looked like JSON
}

/** The name goes into log lines and events, so a text of another shape than those of the specifications is ignored. */
const parseErrorName = (value: unknown): string | undefined =>
  typeof value === "string" && /^[a-z_]{1,60}$/i.test(value) ? value : undefined;

const toNonEmptyText = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined;

/** RFC 6585, section 4: 429 asks for patience as a 503 does. */
export const isTemporaryFailure = (status: number): boolean => status >= 500 || status === 429;

/** The portal did not answer, or stopped in the middle: told by what the network said, whoever was reading then. */
export function createNetworkError(error: unknown, origin: string): PortalAuthError {
  if (error instanceof PortalAuthError) return error;
  const isTimeout = error instanceof Error && error.name === "TimeoutError"; // what AbortSignal.timeout aborts with
  const detail = `${origin}: ${isTimeout ? "no answer in time" : findNetworkCode(error)}`;
  return new PortalAuthError(isTimeout ? "portal_timeout" : "portal_unreachable", { detail });
}

/** The system's name for the failure (ECONNREFUSED, ENOTFOUND, …): error texts may repeat what was sent. */
function findNetworkCode(error: unknown): string {
  let name = "unknown";
  for (let e = error; e instanceof Error; e = e.cause) {
    const { code } = e as NodeJS.ErrnoException;
    if (typeof code === "string") return code;
    name = e.name; // the innermost says most
  }
  return name;
}
