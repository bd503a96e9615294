/** The request that openid-client and jose hand to fetch. Their signals are left out: the timeout of createFetch() is shorter. */
export interface ProviderRequest {
  readonly method?: string;
  readonly headers?: Headers | Record<string, string>;
  /** A form. */
  readonly body?: unknown;
}
