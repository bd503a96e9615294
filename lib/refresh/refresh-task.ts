import type { Clock } from "../contract/clock.js";
import type { TokenSet } from "../contract/tokens.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import type { LoginRecord } from "../session/login-record.js";
import type { LoginHandle } from "../session/request-session.js";

/** How long saving is retried if the store fails. A rotated refresh token exists nowhere else. */
export const SAVE_RETRY_MS = 30_000;

const DEFAULT_REFRESH_MS = 20_000;

/**
 * Returns how long the provider's response, its keys and onTokens may take together, in milliseconds: 20 s,
 * or twice PORTAL_HTTP_TIMEOUT if that is longer.
 */
export const getMaxRefreshMs = ({ httpTimeout }: { readonly httpTimeout: number }): number =>
  Math.max(DEFAULT_REFRESH_MS, 2000 * httpTimeout);

/** The login that is refreshed. */
export type UpdatableLogin = Pick<LoginHandle, "update">;

/** The outcome of a refresh at the provider. */
export interface RefreshResult {
  readonly tokens: TokenSet;
  /** Thrown after the tokens are saved: the provider has responded, and a later step has failed. */
  readonly failure?: PortalAuthError;
}

/**
 * Sends the refresh token of the login, before it returns. It is called in the same tick in which the store
 * confirms the claim. During a pause between the two, this process could stand still, and another process
 * could take the claim over.
 *
 * @param onSlow is called if the provider is slow. Then requests fail with this error, and the refresh
 *   continues: its response may contain the only valid refresh token
 */
export type SendRefresh = (
  stored: LoginRecord,
  onSlow: (error: PortalAuthError) => void,
) => Promise<RefreshResult>;

/** The inputs of a refresh, which its caller provides. */
export interface RefreshTask {
  readonly login: UpdatableLogin;
  readonly clock: Clock;
  /** Returns whether the stored tokens are new enough: another request or process may have refreshed them. */
  readonly hasNewTokens: (stored: LoginRecord) => boolean;
  /** Whether a resource has refused an access token that had not expired. */
  readonly isAfterRejection: boolean;
  /**
   * Does all work that may take time before the login is claimed, such as discovery. Rejects if the provider
   * is down.
   */
  readonly prepare: () => Promise<SendRefresh>;
  /** Maximum duration of `SendRefresh`, in milliseconds. */
  readonly maxRefreshMs: number;
  /** Returns whether this error of `SendRefresh` ends the login. */
  readonly shouldEndLogin: (error: unknown) => boolean;
  /** Called with new tokens of a login that was ended during the refresh. */
  readonly onUnsavedTokens: (tokens: TokenSet) => void;
}
