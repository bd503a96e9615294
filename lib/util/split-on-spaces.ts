/** One name, several in one text, separated by spaces, or a list of them. */
export type Wished = string | readonly string[];

/** What stands in a list that is separated by spaces, and between quotation marks: a scope (RFC 6749, section 3.3), an `acr`. */
export const NAME = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** The names in a text, or a list as it is. */
export const split = (wished: Wished): readonly string[] =>
  typeof wished === "string" ? wished.split(" ").filter((name) => name !== "") : wished;

/** Whether it is a list of names, and not an empty one. */
export const areNames = (given: unknown, isName: RegExp): given is readonly string[] =>
  Array.isArray(given) &&
  given.length > 0 &&
  given.every((name) => typeof name === "string" && isName.test(name));
