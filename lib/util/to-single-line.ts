import { stripVTControlCharacters } from "node:util";

/** Longest line: the rest of a longer text is cut before it is examined. */
const MAX_LENGTH = 10_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** Replaces line breaks and control characters, so that text from outside cannot forge lines in a log or a terminal. */
export function toSingleLine(text: string): string {
  return stripVTControlCharacters(text.slice(0, MAX_LENGTH)).replace(CONTROL_CHARACTERS, " ");
}
