/**
 * Removes a slash at the end. Express routes match with and without it, and issuers are written both ways.
 * The path "/" stays as it is.
 */
export const withoutTrailingSlash = (url: string): string =>
  url.length > 1 && url.endsWith("/") ? url.slice(0, -1) : url;
