/**
 * A request of openid-client or jose. Their signals are not used, because the timeout of
 * createProviderFetch() is shorter.
 */
export interface ProviderRequest {
  readonly method?: string;
  readonly headers?: Headers | Record<string, string>;
  /** A form. */
  readonly body?: unknown;
}
