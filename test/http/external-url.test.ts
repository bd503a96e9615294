import type { Request } from "express";
import { describe, expect, test } from "vitest";
import {
  getExternalMount,
  getExternalPrefix,
  getRequestUrl,
  getRouteUrl,
  getStartPage,
  normalizePath,
} from "../../lib/http/external-url.js";
import { resolveSettings } from "../../lib/settings/resolve-options.js";

const createSettings = (redirectUri: string, callback: string | false = "/callback") =>
  resolveSettings({
    issuer: "https://portal.example",
    clientId: "app",
    clientAuth: "none",
    secret: "x".repeat(32),
    redirectUri,
    routes: { callback },
  });

describe("the path prefix that a proxy removes is the part of redirectUri before the mount path", () => {
  test.each<[redirectUri: string, mount: string, prefix: string, mountOutside: string]>([
    ["https://app.example/callback", "", "", ""],
    ["https://app.example/app/callback", "", "/app", "/app"],
    ["https://app.example/a/b/callback", "", "/a/b", "/a/b"],
    ["https://app.example/shop/callback", "/shop", "", "/shop"],
    ["https://app.example/app/shop/callback", "/shop", "/app", "/app/shop"],
    ["https://app.example/app/shop/callback", "/SHOP", "/app", "/app/shop"],
    ["https://app.example/app/caf%C3%A9/callback", "/caf%c3%a9", "/app", "/app/caf%C3%A9"],
    ["https://app.example/app/en/callback", "/de", "/app", "/app/de"],
    ["https://app.example/en/callback", "/de", "", "/de"],
    ["https://app.example/callback", "/auth", "", "/auth"],
    ["https://app.example/en/callback", "/very/deep", "", "/very/deep"],
  ])("%s, mounted at %j", (redirectUri, mount, prefix, mountOutside) => {
    const settings = createSettings(redirectUri);
    expect(getExternalPrefix(settings, mount)).toBe(prefix);
    expect(getExternalMount(settings, mount)).toBe(mountOutside);
    expect(getRouteUrl(settings, mount, "/login")).toBe(`${mountOutside}/login`);
    expect(getStartPage(settings, mount)).toBe(`${prefix}/`);
    expect(getRequestUrl(settings, mount, { originalUrl: `${mount}/page?a=1` } as Request)).toBe(
      `${prefix}${mount}/page?a=1`,
    );
  });

  test("without a callback route, the prefix is unknown", () => {
    const settings = createSettings("https://app.example/app/callback", false);
    expect(getExternalPrefix(settings, "/shop")).toBe("");
    expect(getRouteUrl(settings, "/shop", "/login")).toBe("/shop/login");
  });

  test("a callback route of several segments belongs to no prefix", () => {
    const settings = createSettings("https://app.example/staff/callback", "/staff/callback");
    expect(getExternalPrefix(settings, "")).toBe("");
  });
});

describe("no URL leads to another site", () => {
  const settings = createSettings("https://app.example/app/callback");

  test.each(["//evil.example/x", "/\\evil.example", "/.//evil.example"])("with a mount at %j", (mount) => {
    expect(getRouteUrl(createSettings("https://app.example/callback"), mount, "/login")).toBe("/");
  });

  test.each([
    ["//evil.example", "/app//evil.example"],
    ["http://evil.example/x", "/app/"],
    ["/\\evil.example", "/app//evil.example"],
    ["/../../evil", "/evil"],
  ])("with a request for %s", (originalUrl, address) => {
    expect(getRequestUrl(settings, "", { originalUrl } as Request)).toBe(address);
  });
});

test.each([
  "/app/LOGOUT",
  "/app/logout/",
  "/app//logout",
  "/app/%6Cogout",
  "/app/%256Cogout",
  "/app/x/../logout",
  "/app/x%2F..%2Flogout",
  "/app/%FF%2f..%2Flogout",
  "/app/.%2flogout",
  "/app\\logout",
  "/app%5Clogout",
])("%s is a spelling of /app/logout", (path) => {
  expect(normalizePath(path)).toBe("/app/logout");
});
