import { expect, test } from "vitest";
import { omitUndefined } from "../../lib/util/omit-undefined.js";

test("members that are undefined are omitted, and all others stay in their order", () => {
  const copy = omitUndefined({ a: undefined, b: null, c: 0, d: "", e: false });
  expect(Object.entries(copy)).toEqual([
    ["b", null],
    ["c", 0],
    ["d", ""],
    ["e", false],
  ]);
});

test("a member that may be undefined is optional in the result", () => {
  const read = (): string | undefined => undefined;
  const copy: { readonly a?: string; readonly b: number } = omitUndefined({ a: read(), b: 1 });
  expect(copy).toEqual({ b: 1 });
});
