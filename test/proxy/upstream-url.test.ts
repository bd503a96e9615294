import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildUpstreamUrl, parseRequestedPath, rewriteLocation } from "../../lib/proxy/upstream-url.js";

const UPSTREAM = new URL("https://orders.example/v1");

/** Returns the URL at the upstream of a request at /api. */
function toUpstream(url: string, upstream = UPSTREAM): string | undefined {
  const requestedPath = parseRequestedPath(url, "/api");
  return requestedPath && buildUpstreamUrl(upstream, requestedPath)?.href;
}

describe("a request is forwarded below the upstream's path", () => {
  test.each([
    ["/api", "https://orders.example/v1"],
    ["/api/", "https://orders.example/v1/"],
    ["/api/open", "https://orders.example/v1/open"],
    ["/api/open/", "https://orders.example/v1/open/"],
    ["/api/open?page=2&q=a%20b", "https://orders.example/v1/open?page=2&q=a%20b"],
    ["/api?q=1", "https://orders.example/v1?q=1"],
    [
      "/api/a?url=https://x.example/../y//z;%2F%2e",
      "https://orders.example/v1/a?url=https://x.example/../y//z;%2F%2e",
    ],
    ["/api/a?b?c", "https://orders.example/v1/a?b?c"],
    ["/api/%E6%9E%97/caf%C3%A9", "https://orders.example/v1/%E6%9E%97/caf%C3%A9"],
    ["/api/a%20b~c!$&'()*+,=:@|[]", "https://orders.example/v1/a%20b~c!$&'()*+,=:@|[]"],
    ["/api/file.txt/..a/a../...", "https://orders.example/v1/file.txt/..a/a../..."],
    ["/api/..a%20/a%20../.%20a", "https://orders.example/v1/..a%20/a%20../.%20a"],
    ["/api/50%25", "https://orders.example/v1/50%25"],
  ])("%s", (url, expected) => {
    expect(toUpstream(url)).toBe(expected);
  });

  test.each([
    ["https://orders.example", "/api", "https://orders.example/"],
    ["https://orders.example/", "/api/a", "https://orders.example/a"],
    ["https://orders.example/v1/", "/api/a", "https://orders.example/v1/a"],
    ["https://orders.example/v1/", "/api", "https://orders.example/v1"],
    ["http://[::1]:8080/", "/api/a", "http://[::1]:8080/a"],
  ])("to %s: %s", (upstream, url, expected) => {
    expect(toUpstream(url, new URL(upstream))).toBe(expected);
  });
});

test.each(["/", "/apis", "/ap", "/API/a", "//api/a", "http://x.example/api/a", "*", "/x/api", "?/api"])(
  "%s is not a path of the proxy",
  (url) => {
    expect(parseRequestedPath(url, "/api")).toBeUndefined();
  },
);

describe("a path that could leave the upstream's path or bypass a check is rejected:", () => {
  test.each([
    ["two dots", "/api/.."],
    ["two dots and another path", "/api/../admin"],
    ["two dots from below", "/api/a/../../admin"],
    ["two dots that stay below", "/api/a/../b"],
    ["one dot", "/api/./a"],
    ["one dot at the end", "/api/a/."],
    ["encoded dots", "/api/%2e%2e/admin"],
    ["encoded dots in capitals", "/api/%2E%2E/admin"],
    ["a dot that is encoded, and one that is not", "/api/.%2e/admin"],
    ["dots encoded twice", "/api/%252e%252e/admin"],
    ["an encoded slash", "/api/..%2fadmin"],
    ["an encoded slash in a name", "/api/group%2Fname"],
    ["a slash encoded twice", "/api/..%252fadmin"],
    ["a backslash", "/api/..\\admin"],
    ["an encoded backslash", "/api/..%5cadmin"],
    ["another host", "/api//evil.example/a"],
    ["an empty segment", "/api/a//b"],
    ["parameters of a segment, which hide dots from some servers", "/api/..;/admin"],
    ["encoded parameters of a segment", "/api/..%3b/admin"],
    ["parameters that hide a name from a check", "/api/admin;x=1/users"],
    ["an encoded letter, which hides a name from a check", "/api/%61dmin"],
    ["an encoded capital", "/api/%5Am"],
    ["an encoded digit", "/api/v%32"],
    ["an encoded tilde", "/api/%7Eadmin"],
    ["a fragment", "/api/a#/../b"],
    ["an encoded question mark", "/api/a%3fadmin=1"],
    ["an encoded hash", "/api/a%23b"],
    ["an encoded hash in capitals", "/api/a%23/%3F"],
    ["dots and a space, which is .. for Windows", "/api/..%20/admin"],
    ["dots and a space at the end", "/api/a/..%20"],
    ["a space and dots", "/api/%20../admin"],
    ["a dot, a space and a dot", "/api/.%20./admin"],
    ["a dot and a space", "/api/.%20/admin"],
    ["a segment of spaces", "/api/a/%20%20/b"],
    ["an encoded NUL", "/api/a%00.json"],
    ["an encoded line break, as in headers", "/api/a%0d%0aX:%20y"],
    ["an encoded DEL", "/api/a%7f"],
    ["invalid UTF-8, dots in an overlong form", "/api/%c0%ae%c0%ae/admin"],
    ["a percent sign without digits", "/api/100%"],
    ["a percent sign with invalid digits", "/api/%zz"],
    ["characters that must be encoded", "/api/<a>"],
    ["a letter of Latin-1", "/api/\u00e9"],
    ["a tab, which URL parsers remove", "/api/.\t./admin"],
  ])("%s: %s", (_name, url) => {
    expect(parseRequestedPath(url, "/api")).toBeDefined();
    expect(toUpstream(url)).toBeUndefined();
  });

  test("each generated path is rejected, or is forwarded unchanged below the upstream's path", () => {
    const pieces = [
      "/",
      ".",
      "..",
      "%2e",
      "%2f",
      "\\",
      ";",
      "a",
      "%61",
      "//",
      "@",
      ":",
      "evil.example",
      "?",
      "#",
      "%",
    ];
    const piece = fc.oneof(
      fc.constantFrom(...pieces),
      fc.string({ maxLength: 3 }),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (parts) => {
        const url = `/api/${parts.join("")}`;
        const target = toUpstream(url);
        if (target === undefined) return;
        expect(target.startsWith("https://orders.example/v1/")).toBe(true);
        const [path = ""] = url.split("?");
        expect(new URL(target).pathname).toBe(path.replace("/api", "/v1"));
      }),
    );
  });
});

test.each([
  ["https://orders.example/v1/a?b=1#c", "/api/a?b=1#c"],
  ["/v1/a", "/api/a"],
  ["b", "/api/x/b"],
  ["../b", "/api/b"],
  ["?page=2", "/api/x/y?page=2"],
  ["https://orders.example/v1", "/api"],
  ["https://orders.example/v2/a", "https://orders.example/v2/a"],
  ["/login", "https://orders.example/login"],
  ["../../login", "https://orders.example/login"],
  ["//app.example/login", "https://app.example/login"],
  ["/v10/a", "https://orders.example/v10/a"],
  ["", "/api/x/y"],
  ["caf\u00c3\u00a9", "/api/x/caf%C3%A9"], // UTF-8, as Node.js reads headers
  ["caf\u00e9", "/api/x/caf%EF%BF%BD"], // Latin-1
  ["myapp://done", "myapp://done"],
  ["https://orders.example/v10", "https://orders.example/v10"],
  ["https://elsewhere.example/v1/a", "https://elsewhere.example/v1/a"],
  ["http://orders.example/v1/a", "http://orders.example/v1/a"],
  ["http://", undefined],
])("rewrites a Location %s to %s", (location, expected) => {
  const target = new URL("https://orders.example/v1/x/y");
  expect(rewriteLocation(location, target, UPSTREAM, "/api")).toBe(expected);
});

test("does not rewrite a Location that would lead to another host by its path or by the mount", () => {
  const target = new URL("https://orders.example/v1/x");
  for (const [location, mount] of [
    ["/v1//evil.example/", ""],
    ["/v1/x", "//evil.example"],
    ["/v1/x", "/\\evil.example"],
  ] as const)
    expect(rewriteLocation(location, target, UPSTREAM, mount)).toBe(`https://orders.example${location}`);
  const long = `/v1/${"x".repeat(5000)}`;
  expect(rewriteLocation(long, target, UPSTREAM, "/api")).toBe(long.replace("/v1", "/api"));
});
