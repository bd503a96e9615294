import type { OverflowEntry } from "./overflow-cookie.js";

/** A login that has started. It is stored in the browser until the provider redirects to the callback. */
export interface LoginAttempt {
  /** The seed of state, nonce and code_verifier: 32 bytes as base64url. */
  readonly seed: string;
  /** The path that the user returns to after the login; "" for the start page. */
  readonly return_to: string;
  /** In epoch milliseconds. */
  readonly started_at: number;
  /** The `max_age` of the authorization request, in seconds. The callback compares it with `auth_time`. */
  readonly max_age?: number;
  /** The scope of the authorization request, if it differs from the option's. */
  readonly scope?: string;
  /** The ID token must have one of these `acr` values. */
  readonly acr?: readonly string[];
  /** Set for a silent login, which no user has requested. */
  readonly isSilent?: boolean;
  /**
   * Set if no page of this site led to this login. Then the session's content is kept if the same user signs
   * in again, because another site must not be able to empty it.
   */
  readonly isFromOutside?: boolean;
  /** The id of a saved form, which is sent after this login. */
  readonly form?: string;
}

/**
 * The mark of a login that is over, whether it succeeded or failed. It replaces the attempt in its cookie for
 * ten minutes, so that Reload and Back lead to the page of that login.
 */
export interface UsedMark {
  readonly isUsed: true;
  /** The digest of the login's state, by which the mark is found. */
  readonly digest: Buffer;
  /** The path that the login led to; "" for the start page. */
  readonly return_to: string;
  /** In epoch milliseconds. */
  readonly used_at: number;
  /** How many logins, this one included, succeeded in quick succession; 0 for a failed login. */
  readonly consecutiveLogins: number;
}

/**
 * The content of a slot cookie: an attempt that waits for its callback, or the mark of a login that is over.
 */
export type SlotContent = PendingAttempt | UsedMark;

export interface PendingAttempt {
  readonly isUsed?: false;
  readonly loginAttempt: LoginAttempt;
  /** This attempt's entry in the overflow cookie. */
  readonly overflow: OverflowEntry | undefined;
  /** Whether the attempt had `acr`, `scope` or `max_age` in the overflow cookie, and its entry is missing. */
  readonly hasLostChecks: boolean;
}
