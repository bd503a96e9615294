/** The address that means the memory of this process. */
export const MEMORY_URL = "memory:";

/**
 * Whether this is the address of a store. A password that contains #, @ or / must be percent-encoded.
 * Otherwise a part of it is taken for the host or the database.
 */
export function isStoreUrl(value: string): boolean {
  if (value === MEMORY_URL) return true;
  if (!/^(rediss?|postgres(ql)?):\/\/./.test(value) || !URL.canParse(value)) return false;
  const { pathname, search, hash } = new URL(value);
  return !`${pathname}${search}${hash}`.includes("@");
}
