import type { KeepForm } from "./keep-form.js";

/** Options of `requireAuth({ keepForm })`. */
export interface KeepFormOptions {
  /** The longest body that is kept, in bytes: 1 to 1048576. Default 65536. */
  maxBytes?: number;
}

const KEPT_BYTES = 64 * 1024;
/** A limit, because the whole form is sent back in a page. */
const MOST_KEPT_BYTES = 1024 * 1024;

/**
 * Resolves the option `keepForm`. Returns undefined if no form is kept.
 *
 * @throws TypeError for an invalid limit or an unknown option
 */
export function settleKeepForm(
  given: boolean | KeepFormOptions,
  backOf: KeepForm["backOf"],
): KeepForm | undefined {
  if (given === false) return undefined;
  const { maxBytes = KEPT_BYTES, ...unknown } = given === true ? {} : (Object(given) as KeepFormOptions);
  const isRight = typeof given === "boolean" || (typeof given === "object" && given !== null);
  if (
    !isRight ||
    Object.keys(unknown).length > 0 ||
    !(Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes <= MOST_KEPT_BYTES)
  )
    throw new TypeError("requireAuth: keepForm must be true, false or { maxBytes }, with 1 to 1048576 bytes");
  return { maxBytes, backOf };
}
