import { stripVTControlCharacters } from "node:util";

/** What others say may hold anything: a line break in what a log or a terminal prints would let a stranger write lines of their own. */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}
