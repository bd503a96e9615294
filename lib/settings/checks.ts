import * as v from "valibot";
import { isInternalUrl } from "../http/internal-url.js";
import { hasWrongSlashes, isSafeUrl } from "../http/safe-url.js";
import { withoutSlash } from "../util/without-trailing-slash.js";

// The building blocks of option-table.ts. Each carries the sentence that tells what to write; a value never stands in a message.

/** Text that is not empty. */
export const text = (write: string) => v.pipe(v.string(write), v.trim(), v.nonEmpty(write));

/** https, or http where no network is crossed. Credentials in an address end up in logs, so they are refused. */
export const address = (write: string) =>
  v.pipe(
    text(write),
    v.check((value) => !hasWrongSlashes(value), TWO_SLASHES),
    v.check((value) => hasWrongSlashes(value) || isSafeUrl(value), write),
  );

const TWO_SLASHES = "write two slashes and a host after the scheme, as in https://host.example";

/** An address that is compared letter by letter somewhere: no query, no fragment. */
export const plainAddress = (write: string) =>
  v.pipe(
    address(write),
    v.check((value) => !/[?#]/.test(value), `${write} (without ? and #)`),
  );

/** The provider's address inside of a container network, without the slash at its end. */
export const internalAddress = (write: string) =>
  v.pipe(
    text(write),
    v.check((value) => isInternalUrl(value), write),
    v.transform((value) => (URL.canParse(value) ? withoutSlash(new URL(value).href) : value)),
  );

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** Ids of Microsoft Entra tenants, or `*` for all of them. */
export const tenants = (write: string) =>
  v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], write),
    v.minLength(1, write),
    v.check((values) => values.join() === "*" || values.every((value) => GUID.test(value)), write),
    v.transform((values): "*" | string[] =>
      values.join() === "*" ? "*" : values.map((value) => value.toLowerCase()),
    ),
  );

/** Origins (RFC 6454, section 6.2): scheme, host and port, and nothing behind them. */
export const origins = (write: string) =>
  v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], write),
    v.everyItem(
      (value: string) =>
        isSafeUrl(value) && !value.includes("*") && new URL(value).origin === withoutSlash(value),
      write,
    ),
    v.transform((values) => values.map((value) => new URL(value).origin)),
  );

/** Seconds, as a number or as the digits of an environment variable. */
export const seconds = (least: number, most: number) => {
  const write = `write seconds, ${least} to ${most}`;
  return v.pipe(
    v.union([v.number(), v.pipe(v.string(), v.regex(/^\d+(\.\d+)?$/), v.transform(Number))], write),
    v.minValue(least, write),
    v.maxValue(most, write),
  );
};

const TOGGLES: Readonly<Record<string, boolean>> = {
  on: true,
  true: true,
  1: true,
  off: false,
  false: false,
  0: false,
};

/** A switch: true or false in code, on or off in a variable. */
export const toggle = v.union(
  [
    v.boolean(),
    v.pipe(
      v.string(),
      v.check((value) => Object.hasOwn(TOGGLES, value)),
      v.transform((value) => TOGGLES[value] === true),
    ),
  ],
  "write on or off (in code true or false)",
);

const ROUTE = "write a path that starts with /, or false";

/** A path below the mount, or false for a route that is turned off. */
export const route = v.optional(
  v.union([v.literal(false), v.pipe(v.string(), v.regex(/^\/[\w\-./~]*$/, ROUTE))], ROUTE),
);

const PATH_OF_SITE = "write a path of this site that starts with a single /";

/** A path of this site, with a query or without. */
export const pathOfSite = v.pipe(
  text(PATH_OF_SITE),
  v.regex(/^\/(?!\/)[!-~]*$/, PATH_OF_SITE),
  v.excludes("\\", PATH_OF_SITE),
);

/** Secrets of 32 characters or more; in a variable they are separated by commas, the first one signs. */
export const secrets = (write: string) =>
  v.pipe(
    v.union([v.pipe(v.string(), v.transform(splitAtCommas)), v.array(v.string())], write),
    v.minLength(1, write),
    v.everyItem((secret: string) => secret.length >= 32, write),
  );

function splitAtCommas(value: string): string[] {
  return value.split(",").map((secret) => secret.trim());
}
