import { formEncode } from "./client-secret-basic.js";

const MAX_CHARACTERS = 300;
/** Limits the work. The text may be as long as the response that contains it. */
const MAX_CHARACTERS_READ = 4096;

const REDACTED = "[…]";
/**
 * The characters of tokens, codes and encoded secrets (RFC 6750, section 2.1, without the dot that ends
 * sentences).
 */
const TOKEN_CHARACTER = /[\w\-+/=~]/;
const LONG_WORDS = /[\w\-+/=~]{24,}/g;
/**
 * Control and format characters (line breaks, terminal codes, changes of direction), and unassigned code
 * points.
 */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\s]+/gu;

/**
 * Prepares an `error_description` (RFC 6749, sections 4.1.2.1 and 5.2) for a log line: one line, printable,
 * and at most 300 characters.
 *
 * An attacker can write the one at the callback, and providers repeat in it what they received. Therefore the
 * secrets are redacted, and long words that look like tokens as well.
 *
 * @returns undefined if nothing readable remains
 */
export function cleanDescription(
  text: unknown,
  secrets: readonly (string | undefined)[] = [],
): string | undefined {
  if (typeof text !== "string") return undefined;
  const known = secrets.filter((secret): secret is string => secret !== undefined && secret !== "");
  // Secrets are redacted before the text is cut, because half a secret would not be recognized.
  const withoutSecrets = known.reduce(redactSecret, text);
  const line = cutAtWord(withoutSecrets)
    .replace(LONG_WORDS, (word) => (isTokenLike(word) ? REDACTED : word))
    .replace(UNPRINTABLE, " ")
    .replaceAll('"', "'") // the log prints it between quotation marks
    .trim();
  if (line.length === 0) return undefined;
  return line.length > MAX_CHARACTERS
    ? `${line.slice(0, MAX_CHARACTERS).replace(/[\ud800-\udbff]$/, "")}…`
    : line;
}

const redactSecret = (text: string, secret: string): string =>
  text.replaceAll(secret, REDACTED).replaceAll(formEncode(secret), REDACTED);

/** Omits a word that the cut would split: the first part of a token may be too short to look like a token. */
function cutAtWord(text: string): string {
  if (text.length <= MAX_CHARACTERS_READ) return text;
  let end = MAX_CHARACTERS_READ;
  while (end > 0 && TOKEN_CHARACTER.test(text.charAt(end - 1))) end -= 1;
  return text.slice(0, end);
}

/**
 * Random text of this length has digits, or letters of both cases. Names of errors have neither, such as
 * account_selection_required.
 */
const isTokenLike = (word: string): boolean => /\d/.test(word) || (/[a-z]/.test(word) && /[A-Z]/.test(word));
