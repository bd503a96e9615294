/** A route answers with a slash at its end as well, as Express's own do; an issuer may be written with one. "/" stays. */
export const withoutSlash = (address: string): string =>
  address.length > 1 && address.endsWith("/") ? address.slice(0, -1) : address;
