import type { KeepFormSettings } from "./save-form.js";

/** Options of `requireAuth({ keepForm })`. */
export interface KeepFormOptions {
  /** The maximum size of a body that is saved, in bytes: 1 to 1048576. Default 65536. */
  maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 64 * 1024;
/** The largest allowed `maxBytes`. The whole form is sent back in a page. */
const LARGEST_MAX_BYTES = 1024 * 1024;

/**
 * Resolves the option `keepForm`. Returns undefined if forms are not saved.
 *
 * @throws TypeError for an invalid limit or an unknown option
 */
export function resolveKeepForm(
  keepForm: boolean | KeepFormOptions,
  getReturnTo: KeepFormSettings["getReturnTo"],
): KeepFormSettings | undefined {
  if (keepForm === false) return undefined;
  const { maxBytes = DEFAULT_MAX_BYTES, ...unknown } =
    keepForm === true ? {} : (Object(keepForm) as KeepFormOptions);
  const isValidType = typeof keepForm === "boolean" || (typeof keepForm === "object" && keepForm !== null);
  if (
    !isValidType ||
    Object.keys(unknown).length > 0 ||
    !(Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes <= LARGEST_MAX_BYTES)
  )
    throw new TypeError("requireAuth: keepForm must be true, false or { maxBytes }, with 1 to 1048576 bytes");
  return { maxBytes, getReturnTo };
}
