/** One name, several in one text, separated by spaces, or a list of them. */
export type SpaceSeparated = string | readonly string[];

/** What stands in a list that is separated by spaces, and between quotation marks: a scope (RFC 6749, section 3.3), an `acr`. */
export const SPACE_SEPARATED_NAME = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** The names in a text, or a list as it is. */
export const splitOnSpaces = (given: SpaceSeparated): readonly string[] =>
  typeof given === "string" ? given.split(" ").filter((name) => name !== "") : given;

/** Whether it is a list of names, and not an empty one. */
export const isNameList = (given: unknown, isName: RegExp): given is readonly string[] =>
  Array.isArray(given) &&
  given.length > 0 &&
  given.every((name) => typeof name === "string" && isName.test(name));
