/** The URL for the memory of this process. */
export const MEMORY_URL = "memory:";

/**
 * Returns whether a text is the URL of a store. A password that contains #, @ or / must be percent-encoded.
 * Otherwise a part of it would count as the host or the database.
 */
export function isStoreUrl(value: string): boolean {
  if (value === MEMORY_URL) return true;
  if (!/^(rediss?|postgres(ql)?):\/\/./.test(value) || !URL.canParse(value)) return false;
  const { pathname, search, hash } = new URL(value);
  return !`${pathname}${search}${hash}`.includes("@");
}
