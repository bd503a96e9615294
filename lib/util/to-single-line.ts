import { stripVTControlCharacters } from "node:util";

/** A longer text is cut to this length before it is examined. */
const MAX_LENGTH = 10_000;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression finds control characters
const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/**
 * Replaces line breaks and control characters. An attacker's text cannot forge lines in a log or a terminal.
 */
export function toSingleLine(text: string): string {
  return stripVTControlCharacters(text.slice(0, MAX_LENGTH)).replace(CONTROL_CHARACTERS, " ");
}
