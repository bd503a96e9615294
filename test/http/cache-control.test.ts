import { expect, test } from "vitest";
import { hasUnqualifiedDirective, parseCacheControl } from "../../lib/http/cache-control.js";

const parsed = (header: string) => {
  const directives = parseCacheControl(header);
  return directives && Object.fromEntries(directives);
};

test.each([
  ["no-store", { "no-store": "" }],
  ["Private, MAX-AGE=60", { private: "", "max-age": "60" }],
  [" private ,, max-age = 60 , ", { private: "", "max-age": "60" }],
  [
    'private="set-cookie, authorization", no-transform',
    { private: "set-cookie, authorization", "no-transform": "" },
  ],
  ['ext="a\\"b, no-store"', { ext: 'a\\"b, no-store' }],
  ["max-age=", { "max-age": "" }],
  ['private="x", private', { private: "" }],
  ['private, private="x"', { private: "" }],
  ["", {}],
  [" , ", {}],
])("parses the directives of %j", (header, expected) => {
  expect(parsed(header)).toEqual(expected);
});

test.each(["no store", '"private"', 'private="', "a=b=c", "private;max-age=60", "=60", "\u00e4"])(
  "%j is not a list of directives",
  (header) => {
    expect(parsed(header)).toBeUndefined();
  },
);

test("a directive that names header fields does not count as unqualified", () => {
  expect(hasUnqualifiedDirective(parseCacheControl('private="a"') ?? new Map(), "private")).toBe(false);
  expect(hasUnqualifiedDirective(parseCacheControl("private") ?? new Map(), "private")).toBe(true);
});

test("a long header is parsed in linear time", () => {
  const began = performance.now();
  for (const text of ["a ".repeat(8000), `a="${"\\".repeat(16_000)}`, " ,".repeat(8000), "a=".repeat(8000)])
    parseCacheControl(text);
  expect(performance.now() - began).toBeLessThan(500);
});
