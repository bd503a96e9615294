/** Maximum length of the examined text. It limits the time of redaction for long error messages. */
const MAX_EXAMINED = 2000;
/** Default maximum length of the result, enough for one sentence of an error. */
const MAX_LENGTH = 300;

const HIDDEN = "[…]";

/** Members of a query or a form whose values are secrets, even short ones. */
const SECRET_MEMBER =
  /\b(code|code_verifier|assertion|(?:\w{1,20}_)?(?:secret|passw(?:or)?d|pwd|token))=[^\s&"',;]+/gi;
/** Long runs of the characters of tokens, keys and secrets. */
const TOKEN = /[\w\-+/=%]{24,}/g;

/**
 * Describes an error of the application, its store or a library for a log line. Returns its name, and its
 * message without secrets. The result has no stack and no cause.
 */
export function redactError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, message } = error as { name: unknown; message: unknown };
  return redactSecrets(`${textOr(name, "Error")}: ${textOr(message, "")}`);
}

const textOr = (value: unknown, fallback: string): string => (typeof value === "string" ? value : fallback);

/**
 * Replaces everything in a text that may be a secret: user name and password in a URL, values of members such
 * as `token=`, and long tokens. Takes linear time: the text is cut first, and no pattern reads a character
 * twice.
 *
 * @param maxLength maximum length of the result, in characters
 */
export function redactSecrets(text: string, maxLength = MAX_LENGTH): string {
  return cutAtWord(text)
    .replace(/[^\s"]+/g, redactUserInfo)
    .replace(SECRET_MEMBER, `$1=${HIDDEN}`)
    .replace(TOKEN, HIDDEN)
    .slice(0, maxLength);
}

/** Cuts a long text before its last word, because half of a secret would not be recognized as one. */
function cutAtWord(text: string): string {
  if (text.length <= MAX_EXAMINED) return text;
  const words = text.slice(0, MAX_EXAMINED).split(/\s/);
  return [...words.slice(0, -1), HIDDEN].join(" ");
}

/**
 * Replaces the user information of a URL (RFC 3986, section 3.2.1). A password may contain an `@` that is not
 * encoded.
 */
function redactUserInfo(word: string): string {
  const start = word.indexOf(":");
  const end = word.lastIndexOf("@");
  return start < 0 || end < start ? word : `${word.slice(0, start)}://${HIDDEN}@${word.slice(end + 1)}`;
}
