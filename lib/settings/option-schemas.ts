import * as v from "valibot";
import { isInternalUrl } from "../http/internal-url.js";
import { hasWrongSlashes, isSafeUrl } from "../http/safe-url.js";
import { withoutTrailingSlash } from "../util/without-trailing-slash.js";

// Schemas that several options share. Each has a message that says what to write.
// No message contains the value: it may be a secret in the wrong place.

/** Accepts text that is not empty. */
export const text = (message: string) => v.pipe(v.string(message), v.trim(), v.nonEmpty(message));

/** Accepts an https URL, or http on loopback. Credentials in a URL end up in logs, so they are rejected. */
export const url = (message: string) =>
  v.pipe(
    text(message),
    v.check((value) => !hasWrongSlashes(value), TWO_SLASHES),
    v.check((value) => hasWrongSlashes(value) || isSafeUrl(value), message),
  );

const TWO_SLASHES = "write two slashes and a host after the scheme, as in https://host.example";

/** Returns the message for the https URL of one thing, such as "the provider's token endpoint". */
export const httpsUrlOf = (thing: string): string =>
  `write the https URL of ${thing} (http only on loopback)`;

/** Accepts a URL that is compared character by character somewhere: without query and fragment. */
export const plainUrl = (message: string) =>
  v.pipe(
    url(message),
    v.check((value) => !/[?#]/.test(value), `${message} (without ? and #)`),
  );

/** Accepts the provider's URL inside a container network, and removes the slash at its end. */
export const internalUrl = (message: string) =>
  v.pipe(
    text(message),
    v.check((value) => isInternalUrl(value), message),
    v.transform((value) => (URL.canParse(value) ? withoutTrailingSlash(new URL(value).href) : value)),
  );

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Accepts ids of Microsoft Entra tenants, or `*` for all of them. */
export const tenants = (message: string) =>
  v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], message),
    v.minLength(1, message),
    v.check((values) => values.join() === "*" || values.every((value) => GUID.test(value)), message),
    v.transform((values): "*" | string[] =>
      values.join() === "*" ? "*" : values.map((value) => value.toLowerCase()),
    ),
  );

/**
 * Accepts a list of origins, or a text that separates them by commas. An origin has a scheme, a host and a
 * port, and nothing behind them except a slash (RFC 6454, section 6.2). It must be https, or http on
 * loopback: see isSafeUrl(). The result is a list of normalized origins.
 */
export const origins = (message: string) =>
  v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], message),
    v.everyItem(
      (value: string) =>
        isSafeUrl(value) && !value.includes("*") && new URL(value).origin === withoutTrailingSlash(value),
      message,
    ),
    v.transform((values) => values.map((value) => new URL(value).origin)),
  );

/** Accepts seconds: a number, or the digits of an environment variable. */
export const seconds = (least: number, most: number) => {
  const message = `write seconds, ${least} to ${most}`;
  return v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+(\.\d+)?$/), v.transform(Number))], message),
    v.minValue(least, message),
    v.maxValue(most, message),
  );
};

const SWITCH_POSITIONS: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  1: true,
  off: false,
  false: false,
  0: false,
};

/** Accepts a switch: true or false in code, on or off in a variable. */
export const toggle = v.union(
  [
    v.boolean(),
    v.pipe(
      v.string(),
      v.check((value) => Object.hasOwn(SWITCH_POSITIONS, value)),
      v.transform((value) => SWITCH_POSITIONS[value] === true),
    ),
  ],
  "write on or off (in code true or false)",
);

const ROUTE = "write a path that starts with /, or false";

/** Accepts a path below the mount, or false for a route that is turned off. */
export const route = v.optional(
  v.union([v.literal(false), v.pipe(v.string(), v.regex(/^\/[\w\-./~]*$/, ROUTE))], ROUTE),
);

const SITE_PATH = "write a path of this site that starts with a single /";

/** Accepts a path of this site, with or without a query. */
export const sitePath = v.pipe(
  text(SITE_PATH),
  v.regex(/^\/(?!\/)[!-~]*$/, SITE_PATH),
  v.excludes("\\", SITE_PATH),
);

/** Accepts secrets of at least 32 characters each. A variable separates them by commas. */
export const secrets = (purposeOfTheFirst: string) => {
  const message =
    "write at least 32 random characters, e.g. from: openssl rand -hex 32 " +
    `(to rotate, several separated by commas: the first ${purposeOfTheFirst})`;
  return v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], message),
    v.minLength(1, message),
    v.everyItem((secret: string) => secret.length >= 32, message),
  );
};

/** Accepts a function, without a check of its parameters. */
export const customFunction = <T>() =>
  v.custom<T>((value) => typeof value === "function", "write a function");

function splitAtCommas(value: string): string[] {
  return value.split(",").map((part) => part.trim());
}
