/** Directives by lower-case name, with their argument; "" for a directive without one. */
export type CacheDirectives = ReadonlyMap<string, string>;

/** The two forms with `=` are apart, as an argument that may be empty between two `\s*` takes quadratic time. */
const DIRECTIVE =
  /[\s,]*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+))|\s*=)?\s*(?=,|$)/y;

/**
 * Parses a Cache-Control header (RFC 9111, section 5.2). A name in the argument of another directive, such as in
 * `no-cache="private"`, is no directive. Returns undefined for text that is not a list of directives.
 */
export function parseCacheControl(header: string): CacheDirectives | undefined {
  const directives = new Map<string, string>();
  const rest = header.slice(0, findEnd(header));
  DIRECTIVE.lastIndex = 0;
  while (DIRECTIVE.lastIndex < rest.length) {
    const [, name = "", quoted, plain] = DIRECTIVE.exec(rest) ?? [];
    if (name === "") return undefined;
    const lower = name.toLowerCase();
    directives.set(lower, directives.get(lower) === "" ? "" : (quoted ?? plain ?? "")); // the stronger of two
  }
  return directives;
}

/** The position behind the last directive. A pattern that ends in `$` would try each space of a long run. */
function findEnd(header: string): number {
  let end = header.length;
  while (end > 0 && /[\s,]/.test(header.charAt(end - 1))) end -= 1;
  return end;
}

/** Whether a directive is there without a list of header fields, which would limit it to these. */
export const hasUnqualifiedDirective = (directives: CacheDirectives, name: string): boolean =>
  directives.get(name) === "";
