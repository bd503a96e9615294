import { formEncode } from "./client-secret-basic.js";

/** The longest description that is kept, in characters. */
const MAX_CHARACTERS = 300;
/** No more than this is looked at, in characters: the text may be as long as the answer that brought it. */
const MAX_CHARACTERS_READ = 4096;

const REDACTED = "[…]";
/** The characters of tokens, codes and encoded secrets (RFC 6750, section 2.1, without the dot that ends sentences). */
const TOKEN_CHARACTER = /[\w\-+/=~]/;
const LONG_WORDS = /[\w\-+/=~]{24,}/g;
/** Control and format characters (line breaks, terminal codes, changes of direction), and what is no character at all. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\s]+/gu;

/**
 * Makes an `error_description` (RFC 6749, sections 4.1.2.1 and 5.2) fit for a log: one line, printable, short.
 *
 * Anybody can write the one at the callback, and providers repeat in it what they were sent. So these secrets are
 * redacted wherever they stand, and long words that look like tokens as well.
 *
 * @returns undefined where nothing readable is left
 */
export function cleanDescription(
  text: unknown,
  secrets: readonly (string | undefined)[] = [],
): string | undefined {
  if (typeof text !== "string") return undefined;
  const known = secrets.filter((secret): secret is string => secret !== undefined && secret !== "");
  // before it is cut: half a secret would not be recognized any more
  const withoutSecrets = known.reduce(redactSecret, text);
  const line = cutAtWord(withoutSecrets)
    .replace(LONG_WORDS, (word) => (isTokenLike(word) ? REDACTED : word))
    .replace(UNPRINTABLE, " ")
    .replaceAll('"', "'") // it is printed between quotation marks
    .trim();
  if (line.length === 0) return undefined;
  return line.length > MAX_CHARACTERS
    ? `${line.slice(0, MAX_CHARACTERS).replace(/[\ud800-\udbff]$/, "")}…`
    : line;
}

const redactSecret = (text: string, secret: string): string =>
  text.replaceAll(secret, REDACTED).replaceAll(formEncode(secret), REDACTED);

/** Leaves out a word that the cut would have split: the rest of a token may be too short to look like one. */
function cutAtWord(text: string): string {
  if (text.length <= MAX_CHARACTERS_READ) return text;
  let end = MAX_CHARACTERS_READ;
  while (end > 0 && TOKEN_CHARACTER.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/** Random text of that length has digits or both cases. Names of errors, such as account_selection_required, have neither. */
const isTokenLike = (word: string): boolean => /\d/.test(word) || (/[a-z]/.test(word) && /[A-Z]/.test(word));
