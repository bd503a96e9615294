/** Directives by lower-case name, with their argument; "" for a directive without one. */
export type CacheDirectives = ReadonlyMap<string, string>;

/**
 * Matches one directive. The two forms with `=` are separate alternatives, because an optional argument
 * between two `\s*` would take quadratic time.
 */
const DIRECTIVE =
  /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+))|\s*=)?\s*(?=,|$)/y;

/**
 * Parses a Cache-Control header (RFC 9111, section 5.2). A name in the argument of another directive, such as
 * in `no-cache="private"`, does not count. Returns undefined if the text is not a list of directives.
 */
export function parseCacheControl(header: string): CacheDirectives | undefined {
  const directives = new Map<string, string>();
  const rest = header.slice(0, findEnd(header));
  DIRECTIVE.lastIndex = 0;
  while (DIRECTIVE.lastIndex < rest.length) {
    const [, name = "", quoted, plain] = DIRECTIVE.exec(rest) ?? [];
    if (name === "") return undefined;
    const lower = name.toLowerCase();
    // If a directive is repeated, the form without an argument counts, because it is stricter.
    directives.set(lower, directives.get(lower) === "" ? "" : (quoted ?? plain ?? ""));
  }
  return directives;
}

/** Returns the position after the last directive. A pattern that ends in `$` would take quadratic time. */
function findEnd(header: string): number {
  let end = header.length;
  while (end > 0 && /[\s,]/.test(header.charAt(end - 1))) end -= 1;
  return end;
}

/** Returns whether a directive is present without a list of header fields. Such a list would limit it. */
export const hasUnqualifiedDirective = (directives: CacheDirectives, name: string): boolean =>
  directives.get(name) === "";
