import { errorDefinitions, type PortalAuthErrorCode } from "./error-codes.js";
import { ENGLISH } from "./page-texts/english.js";

export type { PortalAuthErrorCode } from "./error-codes.js";

/** The optional parts of a PortalAuthError. */
export interface PortalAuthErrorOptions extends ErrorOptions {
  /** The exact finding, for the log. It must not contain a token, code, secret or cookie. */
  readonly detail?: string;
  /**
   * The provider's own description, as cleanDescription() returns it. It goes to the log and to onError, and
   * never into a response.
   */
  readonly providerDescription?: string | undefined;
  /** Seconds until a new attempt makes sense, for the Retry-After of a response with 503. Default 5. */
  readonly retryAfter?: number | undefined;
  /**
   * Parameters of the challenge in WWW-Authenticate (RFC 6750, section 3). Their characters must not need an
   * escape.
   */
  readonly challenge?: Readonly<Record<string, string>>;
  /**
   * A user message instead of the default, e.g. why a hook refuses the user. It is shown as text, never as
   * HTML.
   */
  readonly sentence?: string;
}

const RETRY_AFTER_SECONDS = 5;

/** Node.js prints enumerable members below the stack. The message already contains these. */
const HIDDEN_MEMBERS: readonly (keyof PortalAuthError)[] = [
  "sentence",
  "hint",
  "detail",
  "providerDescription",
  "retryAfter",
  "challenge",
  "headers",
];

/**
 * The only error class of this package. Express reads `status`. `message` is for the developer: the hint and
 * the detail.
 *
 * The message contains no secret of this package. A `cause` is an error of your own hook or store, which may
 * contain anything, or another PortalAuthError. Errors of the protocol library are never attached, because
 * they contain whole token responses.
 */
export class PortalAuthError extends Error {
  /** Always the same, also for errors of another copy of this package. */
  override readonly name = "PortalAuthError";
  /** The stable code of the failure. */
  readonly code: PortalAuthErrorCode;
  /** The HTTP status of the response. Express uses it as well if the error reaches its error handlers. */
  readonly status: number;
  /** The user message. */
  readonly sentence: string;
  /** Advice for the developer. */
  readonly hint: string;
  /** The exact finding, if there is one. */
  readonly detail: string | undefined;
  /**
   * The provider's `error_description` (RFC 6749, sections 4.1.2.1 and 5.2), in one printable line of at most
   * 300 characters, without secrets. An attacker can write the one at the callback, so show it only as text.
   */
  readonly providerDescription: string | undefined;
  /** Seconds that the provider requested to wait, at most 60. It is the Retry-After of the response. */
  readonly retryAfter: number | undefined;
  /** Parameters of its challenge (RFC 6750, section 3; RFC 9470, section 3), if there are any. */
  readonly challenge: Readonly<Record<string, string>> | undefined;
  /** Headers of the response. Express's own error handling sends them too. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: PortalAuthErrorCode, options: PortalAuthErrorOptions = {}) {
    const { status, hint } = errorDefinitions[code];
    super(hint + formatDetail(options), "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.status = status;
    this.sentence = options.sentence ?? ENGLISH.sentences[code];
    this.hint = hint;
    this.detail = options.detail;
    this.providerDescription = options.providerDescription;
    this.retryAfter = options.retryAfter;
    this.challenge = options.challenge;
    this.headers = createErrorHeaders(status, options);
    for (const member of HIDDEN_MEMBERS) Object.defineProperty(this, member, { enumerable: false });
  }
}

/**
 * Returns the detail for the end of the message. A detail of several lines is a list, and is appended
 * unchanged.
 */
function formatDetail({ detail, providerDescription }: PortalAuthErrorOptions): string {
  if (detail?.includes("\n")) return detail;
  const description = providerDescription && `the provider says "${providerDescription}"`;
  const text = [detail, description].filter(Boolean).join(": ");
  return text && ` [${text}]`;
}

/**
 * The challenge of every 401. It also replaces the challenge of an upstream, which must not reach the
 * browser.
 */
export const BEARER_CHALLENGE = 'Bearer realm="portal"';

function createErrorHeaders(
  status: number,
  { challenge, retryAfter }: PortalAuthErrorOptions,
): Record<string, string> {
  // RFC 9110, section 10.2.3: a client must not repeat the request at once.
  if (status === 503) return { "Retry-After": String(retryAfter ?? RETRY_AFTER_SECONDS) };
  if (status !== 401 && !challenge) return {};
  // RFC 9110, section 11.6.1, requires a challenge. RFC 6750, section 3.1: without an error if the request
  // had no token.
  const parameters = Object.entries({ ...challenge }).map(([name, value]) => `, ${name}="${value}"`);
  return { "WWW-Authenticate": BEARER_CHALLENGE + parameters.join("") };
}

/** Returns the detail of an error if the response may contain it: see ErrorDefinition.isDetailPublic. */
export const getPublicDetail = ({ code, detail }: PortalAuthError): string | undefined =>
  errorDefinitions[code].isDetailPublic ? detail : undefined;
