/** A route answers with a slash at its end as well, as Express's own do; an issuer may be written with one. "/" stays. */
export const withoutTrailingSlash = (url: string): string =>
  url.length > 1 && url.endsWith("/") ? url.slice(0, -1) : url;
