import { describe, expect, test } from "vitest";
import { sanitizeReturnTo } from "../../lib/http/sanitize-return-to.js";

describe("a URL that leaves the site, or might leave it, becomes the start page", () => {
  test.each<[string, unknown]>([
    ["an absolute address", "https://evil.example/"],
    ["an absolute address over http", "http://evil.example"],
    ["without a scheme", "//evil.example"],
    ["three slashes", "///evil.example"],
    ["four slashes", "////evil.example"],
    ["a backslash", "/\\evil.example"],
    ["two backslashes", "\\\\evil.example"],
    ["backslash and slash", "\\/evil.example"],
    ["slash, backslash, slash", "/\\/evil.example"],
    ["a tab between the slashes", "/\t/evil.example"],
    ["a line break between the slashes", "/\n/evil.example"],
    ["a carriage return between the slashes", "/\r/evil.example"],
    ["tabs in front", "\t\t//evil.example"],
    ["a space in front", " //evil.example"],
    ["a NUL in front", "\0//evil.example"],
    ["a unit separator in front", "\u001f//evil.example"],
    ["a scheme in capitals", "HTTPS://evil.example"],
    ["a scheme without slashes", "https:evil.example"],
    ["a scheme with one slash", "https:/evil.example"],
    ["a scheme with a backslash", "https:\\evil.example"],
    ["a scheme broken by a tab", "ht\ttps://evil.example"],
    ["a script", "javascript:alert(1)"],
    ["a script in capitals, broken by a tab", "JaVa\tScRiPt:alert(1)"],
    ["data", "data:text/html,<script>alert(1)</script>"],
    ["vbscript", "vbscript:msgbox(1)"],
    ["a blob", "blob:https://evil.example/1"],
    ["a blob of our throwaway origin", "blob:http://here.invalid/phish"],
    ["a file system of our throwaway origin", "filesystem:http://here.invalid/x"],
    ["a user name at our throwaway host", "http://someone@here.invalid/"],
    ["backslashes that grow too long when they are written down", `/?${"\\".repeat(1200)}`],
    ["a file", "file:///etc/passwd"],
    ["mail", "mailto:me@evil.example"],
    ["our throwaway host as user name", "http://here.invalid@evil.example/"],
    ["our throwaway host as password", "//x:here.invalid@evil.example"],
    ["our throwaway host as subdomain", "//here.invalid.evil.example/"],
    ["our throwaway host on another port", "//here.invalid:8443/"],
    ["dot segments that end in two slashes", "/.//evil.example"],
    ["parent segments that end in two slashes", "/x/..//evil.example"],
    ["encoded dot segments", "/%2e//evil.example"],
    ["a parent segment, encoded", "/x/%2E%2E//evil.example"],
    ["a backslash behind a dot segment", "/./\\evil.example"],
    ["a full-width solidus as host", "//evil。example"],
    ["an invalid URL", "http://["],
    ["an invalid port", "//evil.example:99999999"],
    ["a list", ["/account"]],
    ["an object", { toString: () => "//evil.example" }],
    ["nothing", undefined],
    ["null", null],
    ["a number", 7],
    ["a path too long to travel", `/${"a".repeat(2000)}`],
    ["a path that grows too long when it is encoded", `/${"ü".repeat(400)}`],
  ])("%s", (_name, wish) => {
    expect(sanitizeReturnTo(wish)).toBe("/");
  });
});

describe("a path of this site is returned as the browser parses it", () => {
  test.each<[string, string]>([
    ["/account", "/account"],
    ["/account?tab=2&x=%2F%2Fevil.example#top", "/account?tab=2&x=%2F%2Fevil.example#top"],
    ["account", "/account"],
    ["?page=2", "/?page=2"],
    ["#top", "/#top"],
    ["", "/"],
    ["/a/../b", "/b"],
    ["/über uns", "/%C3%BCber%20uns"],
    ["/search?q=https://other.example/", "/search?q=https://other.example/"],
    ["/@me", "/@me"],
    ["/a//b", "/a//b"],
    ["/%2F/evil.example", "/%2F/evil.example"],
    ["/%5C/evil.example", "/%5C/evil.example"],
    ["/ /evil.example", "/%20/evil.example"],
    ["/account\r\nSet-Cookie: x=1", "/accountSet-Cookie:%20x=1"],
    ["/<script>", "/%3Cscript%3E"],
  ])("%s", (wish, kept) => {
    expect(sanitizeReturnTo(wish)).toBe(kept);
    expect(new URL(kept, "https://app.example").origin).toBe("https://app.example");
  });
});

test("the caller chooses the fallback", () => {
  expect(sanitizeReturnTo("//evil.example", "/home")).toBe("/home");
});
