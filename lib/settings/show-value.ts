import { isStoreUrl, MEMORY_URL } from "../store/store-url.js";

// Describes the value of an option for `explain()` and the doctor. Secrets are shown by their length only.

/**
 * Describes any value: text as it is, a list or an object as JSON, and a function as "a function". An object
 * that JSON cannot represent is "an object of your own". Returns undefined for undefined.
 */
export function showText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "function") return "a function";
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value, toPlainMember);
  } catch {
    return "an object of your own";
  }
}

const toPlainMember = (_name: string, member: unknown): unknown => {
  if (typeof member === "function") return "a function";
  return typeof member === "bigint" ? String(member) : member;
};

/**
 * Describes a URL or a list of URLs as showText() does. A value with an @ is not shown, because it may
 * contain a password.
 */
export function showUrl(value: unknown): string | undefined {
  const text = showText(value);
  return text?.includes("@") ? "a URL with a user name or password" : text;
}

/** Describes one secret, or several as a list or separated by commas, by the number of characters. */
export const showSecrets = (value: unknown): string =>
  showLengths([value].flat().flatMap((one) => String(one).split(",")));

/** Describes a secret that may contain commas, by its number of characters. */
export const showSecret = (value: unknown): string => showLengths([value].flat());

const showLengths = (all: readonly unknown[]): string =>
  `set, ${all.map((one) => String(one).trim().length).join(" and ")} characters`;

/**
 * Describes a store by the scheme, host and path of its URL. User name, password and parameters are omitted.
 * An invalid URL is not shown. A store object is "one of your own".
 */
export function showStore(value: unknown): string {
  if (typeof value !== "string") return OWN;
  const text = value.trim();
  if (text === MEMORY_URL) return text;
  if (!isStoreUrl(text)) return "set, but not the URL of a store"; // any part of it may be a password
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`;
}

const OWN = "one of your own";

/** Describes an object of the application, such as a logger, without its content. */
export const showOwn = (): string => OWN;
