/** One name, several names in a text, separated by spaces, or a list of names. */
export type SpaceSeparated = string | readonly string[];

/**
 * A name that is allowed in a space-separated list and in a quoted string: a scope (RFC 6749, section 3.3) or
 * an `acr`.
 */
export const SPACE_SEPARATED_NAME = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** Splits a text into its names. A list stays as it is. */
export const splitOnSpaces = (names: SpaceSeparated): readonly string[] =>
  typeof names === "string" ? names.split(" ").filter((name) => name !== "") : names;

/** Returns whether a value is a list of valid names that is not empty. */
export const isNameList = (value: unknown, validName: RegExp): value is readonly string[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((name) => typeof name === "string" && validName.test(name));
