import { validateHeaderValue } from "node:http";
import fc from "fast-check";
import { expect, test } from "vitest";
import { sanitizeReturnTo } from "../../../lib/http/sanitize-return-to.js";
import { runs } from "../support/random-input.js";

// RFC 9700, section 4.11. The result is checked with the URL parser of browsers (WHATWG), on several pages.

const PAGES = ["https://app.example/", "http://127.0.0.1:3000/deep/page?a#b", "https://app.example/.//x/"];

const fragment = fc.constantFrom(
  ...[
    "/",
    "//",
    "\\",
    ".",
    "..",
    "%2e",
    "%2f",
    "%5c",
    ":",
    "@",
    "?",
    "#",
    "\t",
    "\n",
    "\r",
    "\0",
    " ",
    "\u2028",
    "\ufeff",
  ],
  ...[
    "evil.example",
    "https:",
    "http:",
    "javascript:",
    "data:",
    "blob:",
    "file:",
    "here.invalid",
    "[::1]",
    "。",
    "／",
  ],
);
const requested = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.webUrl({ withFragments: true, withQueryParameters: true }),
  fc.array(fc.oneof(fragment, fc.string({ maxLength: 3 })), { maxLength: 12 }).map((parts) => parts.join("")),
  fc.array(fragment, { maxLength: 6 }).map((parts) => `/${parts.join("")}`),
);

test("keeps the user on this site for every requested URL", () => {
  fc.assert(
    fc.property(requested, (text) => {
      const path = sanitizeReturnTo(text);
      for (const page of PAGES) expect(new URL(path, page).origin).toBe(new URL(page).origin);
      expect(path).toMatch(/^\/(?![/\\])/);
      expect(() => validateHeaderValue("Location", path)).not.toThrow();
      expect(sanitizeReturnTo(path)).toBe(path);
    }),
    runs(20_000),
  );
});

test("uses the start page for every value that is not a text", () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      fc.pre(typeof value !== "string");
      expect(sanitizeReturnTo(value)).toBe("/");
    }),
    runs(1000),
  );
});

test("returns a plain path of this site unchanged", () => {
  const name = fc.stringMatching(/^[a-z0-9_-]{1,8}$/);
  const plain = fc
    .tuple(fc.array(name, { minLength: 1, maxLength: 5 }), fc.option(name), fc.option(name))
    .map(([path, query, hash]) => `/${path.join("/")}${query ? `?${query}=1` : ""}${hash ? `#${hash}` : ""}`);
  fc.assert(
    fc.property(plain, (path) => {
      expect(sanitizeReturnTo(path)).toBe(path);
    }),
    runs(1000),
  );
});
