import { withoutTrailingSlash } from "../util/without-trailing-slash.js";

/**
 * Returns whether two issuer identifiers name the same provider. Only one slash at the end may differ:
 * consoles show the issuer without it, and discovery documents of Auth0 and others have it. Tokens must have
 * the document's exact spelling.
 */
export const isSameIssuer = (one: string, other: string): boolean =>
  withoutTrailingSlash(one) === withoutTrailingSlash(other);
