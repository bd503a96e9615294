/** One name, several in one text, separated by spaces, or a list of them. */
export type Wished = string | readonly string[];

/**
 * The names that are wished for; undefined where there is no such option.
 *
 * @throws TypeError for none, or for what is no name
 */
export function listOf(option: string, wished: Wished | undefined, isName: RegExp): readonly string[] | undefined {
  if (wished === undefined) return undefined;
  const names = typeof wished === "string" ? wished.split(" ").filter((name) => name !== "") : wished;
  const isGood = Array.isArray(names) && names.length > 0 && names.every((name) => isName.test(String(name)));
  if (!isGood || names.some((name) => typeof name !== "string"))
    throw new TypeError(`requireAuth: ${option} must be a name, or a list of names`);
  return [...names];
}
