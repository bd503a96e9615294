import * as oidc from "openid-client";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors.js";
import { isBusy, networkFailure } from "./http.js";

/** Where the failing answer came from. */
type Endpoint = "discovery" | "token" | "refresh" | "revocation" | "userinfo";

/**
 * Turns what openid-client throws into a failure with a name. The library's errors carry whole answers, tokens
 * included, in `cause`; nothing of them is kept but error codes, status numbers and the library's own fixed sentences.
 */
export function explainFailure(error: unknown, endpoint: Endpoint): PortalAuthError {
  const ours = causes(error).find((cause) => cause instanceof PortalAuthError);
  if (ours) return ours;
  if (error instanceof oidc.ResponseBodyError) return refused(error.error, error.status, endpoint);
  const response = causes(error).map(responseOf).find(Boolean);
  if (response) return badAnswer(response, endpoint);
  const network = causes(error).find(isNetworkFailure);
  if (network) return networkFailure(network, endpoint);
  if (endpoint === "discovery") return explainDiscovery(error);
  const sentence = fixedSentence(error);
  if (endpoint !== "userinfo" && /JW[TSE]|ID Token/.test(sentence))
    return new PortalAuthError("id_token_invalid", { detail: claimOf(error) ?? sentence });
  return new PortalAuthError("portal_answer_invalid", { detail: sentence });
}

const TOKEN_ERRORS: Record<string, PortalAuthErrorCode> = {
  invalid_client: "client_refused",
  invalid_grant: "code_refused",
  unsupported_grant_type: "grant_type_refused",
  server_error: "portal_failed",
  temporarily_unavailable: "portal_failed",
};

/** What no later try can mend: the person must sign in again. The first is RFC 6749's, the others are what portals add. */
const FINAL = [
  "invalid_grant",
  "interaction_required",
  "login_required",
  "consent_required",
  "account_selection_required",
];

/** An error that the portal named in a JSON body (RFC 6749, section 5.2). Its description may say anything: it is left out. */
function refused(error: string, status: number, endpoint: Endpoint): PortalAuthError {
  const detail = `${endpoint} answered ${status} ${printable(error)}`;
  if (endpoint === "discovery") return new PortalAuthError("discovery_invalid", { detail });
  if (isBusy(status)) return new PortalAuthError("portal_failed", { detail });
  if (endpoint === "userinfo") return new PortalAuthError("userinfo_refused", { detail });
  if (endpoint === "refresh" && FINAL.includes(error)) return new PortalAuthError("refresh_refused", { detail });
  return new PortalAuthError(
    Object.hasOwn(TOKEN_ERRORS, error) ? (TOKEN_ERRORS[error] ?? "token_refused") : "token_refused",
    { detail },
  );
}

/** An answer that is not what RFC 6749 says: judged by its status, and whether there was a body at all. */
function badAnswer(response: Response, endpoint: Endpoint): PortalAuthError {
  const { status, headers, body } = response;
  const [type] = headers.get("content-type")?.split(";") ?? [];
  const seen = type === undefined ? "no content type" : printable(type);
  const detail = `${endpoint} answered ${status}, ${body ? seen : "no body"}`;
  if (isBusy(status)) return new PortalAuthError("portal_failed", { detail });
  // its refusals carry a WWW-Authenticate and no body (RFC 6750, section 3)
  if (endpoint === "userinfo" && status >= 400) return new PortalAuthError("userinfo_refused", { detail });
  if (status === 401 && !body && endpoint !== "discovery") return new PortalAuthError("client_unknown", { detail });
  if (status === 401 && endpoint !== "discovery") return new PortalAuthError("client_refused", { detail });
  return new PortalAuthError(endpoint === "discovery" ? "discovery_invalid" : "portal_answer_invalid", { detail });
}

function explainDiscovery(error: unknown): PortalAuthError {
  const mismatch = causes(error).find((cause) => (cause as Mismatch).attribute === "issuer") as Mismatch | undefined;
  if (mismatch) {
    const detail = `the document says ${addressIn(mismatch.body?.issuer)}, PORTAL_ISSUER (option issuer) ${addressIn(mismatch.expected)}`;
    return new PortalAuthError("issuer_mismatch", { detail });
  }
  return new PortalAuthError("discovery_invalid", { detail: fixedSentence(error) });
}

interface Mismatch {
  readonly attribute?: unknown;
  readonly expected?: unknown;
  readonly body?: { readonly issuer?: unknown };
}

/** An address to be compared to the letter: whole, if it is one, and nothing else that a portal may have written there. */
const addressIn = (value: unknown): string =>
  typeof value === "string" && /^https?:\/\/[\w.:[\]/~%-]{1,200}$/.test(value) ? value : "something that is no issuer";

/** The claim that a comparison or a time check was about. */
function claimOf(error: unknown): string | undefined {
  const about = causes(error).find((cause) => typeof (cause as { claim?: unknown }).claim === "string");
  return about ? `claim ${(about as { claim: string }).claim}` : undefined;
}

const OWN_SENTENCES = ["OperationProcessingError", "UnsupportedOperationError"];

/** The protocol library's own words. Those of JSON.parse and others repeat what they could not read. */
function fixedSentence(error: unknown): string {
  const own = causes(error).find((cause) => cause instanceof Error && OWN_SENTENCES.includes(cause.name));
  return own ? (own as Error).message : "an answer that could not be read";
}

/** The error and what it was caused by, outermost first; a cause need not be an error. */
function causes(error: unknown): object[] {
  const chain: object[] = [];
  for (let e = error; typeof e === "object" && e !== null && chain.length < 10; e = (e as { cause?: unknown }).cause)
    chain.push(e);
  return chain;
}

/** The status of the answer that failed; undefined when there was none. */
export const statusOf = (error: unknown): number | undefined => causes(error).map(responseOf).find(Boolean)?.status;

/** A 401 that carries WWW-Authenticate arrives as an error of its own, with the response beside its cause. */
function responseOf(cause: object): Response | undefined {
  if (cause instanceof Response) return cause;
  return cause instanceof oidc.WWWAuthenticateChallengeError ? cause.response : undefined;
}

/** The network failed while an answer was read: fetch ends a body with a TypeError, or with the reason of its signal. */
const isNetworkFailure = (cause: object): boolean =>
  cause instanceof Error &&
  (cause.name === "TimeoutError" || (cause instanceof TypeError && cause.message === "terminated"));

/** RFC 6749, section 5.2, names the characters of an error; whatever else arrives does not reach a log. */
export const printable = (text: string): string => text.replace(/[^\w\-./]/g, "?").slice(0, 60);
