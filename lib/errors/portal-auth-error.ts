import { errorDefinitions, type PortalAuthErrorCode } from "./error-codes.js";
import { ENGLISH } from "./languages/english.js";

export type { PortalAuthErrorCode } from "./error-codes.js";

/** What a PortalAuthError may say beside its code. */
export interface PortalAuthErrorOptions extends ErrorOptions {
  /** What exactly was seen, for the log: never a token, code, secret or cookie. */
  readonly detail?: string;
  /**
   * The provider's own words, as cleanDescription() leaves them. They go to the log and to onError, and into
   * no answer.
   */
  readonly providerDescription?: string | undefined;
  /**
   * Seconds after which a new try makes sense, as the provider says: Retry-After of an answer with 503.
   * Default 5.
   */
  readonly retryAfter?: number | undefined;
  /**
   * Parameters of the challenge in WWW-Authenticate (RFC 6750, section 3), of characters that need no escape.
   */
  readonly challenge?: Readonly<Record<string, string>>;
  /**
   * Another sentence for the person than the table's, e.g. why a hook refuses them. Shown as text, never as
   * HTML.
   */
  readonly sentence?: string;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * Every failure of this package. Express reads `status`; `message` is for the developer: what to do, and what
 * was seen. The message holds no secret of ours. A `cause` is an error of your own hook or store, which may
 * hold anything, or another PortalAuthError. The errors of the protocol library, which carry whole token
 * answers, are never attached.
 */
export class PortalAuthError extends Error {
  /** Always this: errors of another copy of this package have it too. */
  override readonly name = "PortalAuthError";
  /** Stable name of what happened. */
  readonly code: PortalAuthErrorCode;
  /** HTTP status of the answer; Express uses it as well when the error reaches its error handlers. */
  readonly status: number;
  /** What the person is told. */
  readonly sentence: string;
  /** What the developer should do. */
  readonly hint: string;
  /** What exactly was seen, if there is more to say. */
  readonly detail: string | undefined;
  /**
   * What the provider said about it: its `error_description` (RFC 6749, sections 4.1.2.1 and 5.2), in one
   * printable line of at most 300 characters, without secrets. Anybody can write the one at the callback:
   * show it as text only, if at all.
   */
  readonly providerDescription: string | undefined;
  /**
   * Seconds for which the provider has asked not to be asked again, at most 60. It is the Retry-After of the
   * answer.
   */
  readonly retryAfter: number | undefined;
  /**
   * Parameters of its challenge (RFC 6750, section 3; RFC 9470, section 3), if there is more to say than that
   * one must sign in.
   */
  readonly challenge: Readonly<Record<string, string>> | undefined;
  /** Headers of the answer, for Express's own error handling as for ours. */
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
    // all of it stands in the message; Node.js prints what is enumerable a second time, below the stack
    for (const part of [
      "sentence",
      "hint",
      "detail",
      "providerDescription",
      "retryAfter",
      "challenge",
      "headers",
    ])
      Object.defineProperty(this, part, { enumerable: false });
  }
}

/** What was seen, behind the hint. A detail of several lines is a list, which follows as it is. */
function formatDetail({ detail, providerDescription }: PortalAuthErrorOptions): string {
  if (detail?.includes("\n")) return detail;
  const said = providerDescription && `the provider says "${providerDescription}"`;
  const seen = [detail, said].filter(Boolean).join(": ");
  return seen && ` [${seen}]`;
}

/** What a 401 of ours says; also where it hides what another one's would have said. */
export const BEARER_CHALLENGE = 'Bearer realm="portal"';

function createErrorHeaders(
  status: number,
  { challenge, retryAfter }: PortalAuthErrorOptions,
): Record<string, string> {
  // RFC 9110, section 10.2.3: a client that asks again at once helps nobody
  if (status === 503) return { "Retry-After": String(retryAfter ?? RETRY_AFTER_SECONDS) };
  if (status !== 401 && !challenge) return {};
  // section 11.6.1 wants a challenge; RFC 6750, section 3.1: without an error where nothing was sent
  const more = Object.entries({ ...challenge }).map(([name, value]) => `, ${name}="${value}"`);
  return { "WWW-Authenticate": BEARER_CHALLENGE + more.join("") };
}

/** Returns the detail of an error if the response may contain it: see ErrorDefinition.isDetailPublic. */
export const getPublicDetail = ({ code, detail }: PortalAuthError): string | undefined =>
  errorDefinitions[code].isDetailPublic ? detail : undefined;
