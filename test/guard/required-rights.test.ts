import { describe, expect, test } from "vitest";
import { createRightsCheck, type RequiredRights, readRoles } from "../../lib/guard/required-rights.js";
import { PortalAuthError } from "../../lib/index.js";
import type { PortalSession } from "../../lib/session/login-record.js";
import type { Settings } from "../../lib/settings/settings.js";

const CLAIMS = {
  sub: "amara",
  department: "sales",
  level: 3,
  isMember: true,
  groups: ["staff", "night"],
  nothing: null,
  roles: ["editor", "author"],
  realm_access: { roles: ["admin"] },
  "cognito:groups": ["ops"],
  "https://app.example/roles": "site admin",
};

const codeFor = (wanted: object, scope: string | undefined = "openid orders:read", rolesClaim = "roles") => {
  const session = { claims: CLAIMS, tokens: { access_token: "x", ...(scope !== undefined && { scope }) } };
  const settings = { scope: "openid asked:for", rolesClaim } as Settings;
  return createRightsCheck(wanted as RequiredRights<never>)?.(session as unknown as PortalSession, settings)
    ?.code;
};

describe("scopes", () => {
  test.each([
    ["one that was granted", "orders:read", undefined],
    ["several in a text", "openid orders:read", undefined],
    ["several in a list", ["orders:read", "openid"], undefined],
    ["one that was not", "orders:write", "insufficient_scope"],
    ["one of two that was not", ["orders:read", "orders:write"], "insufficient_scope"],
    ["a part of one", "orders", "insufficient_scope"],
    ["one in other letters", "OPENID", "insufficient_scope"],
  ])("%s", (_what, scope, code) => {
    expect(codeFor({ scope })).toBe(code);
  });

  test("where the portal did not say what it granted, that is what was asked for", () => {
    const lack = (scope: string) => {
      const session = { claims: CLAIMS, tokens: { access_token: "x" } } as unknown as PortalSession;
      return createRightsCheck({ scope })?.(session, { scope: "openid asked:for" } as Settings)?.code;
    };
    expect([lack("asked:for"), lack("orders:read")]).toEqual([undefined, "insufficient_scope"]);
  });

  test("what is missing is told, and the challenge says what is wanted", () => {
    const session = { claims: CLAIMS, tokens: { scope: "openid" } } as unknown as PortalSession;
    const error = createRightsCheck({ scope: "openid orders:read" })?.(session, {} as Settings);
    expect(error?.detail).toBe("orders:read");
    expect(error?.headers).toEqual({
      "WWW-Authenticate": 'Bearer realm="portal", error="insufficient_scope", scope="openid orders:read"',
    });
  });
});

describe("claims", () => {
  test.each<[what: string, claims: object, passes: boolean]>([
    ["a value", { department: "sales" }, true],
    ["a number", { level: 3 }, true],
    ["true", { isMember: true }, true],
    ["another value", { department: "it" }, false],
    ["a number written as a text", { level: "3" }, false],
    ["false", { isMember: false }, false],
    ["one of a list", { department: ["it", "sales"] }, true],
    ["none of a list", { department: ["it", "law"] }, false],
    ["a member of a claim that is a list", { groups: "night" }, true],
    ["one of a list, of a claim that is a list", { groups: ["day", "night"] }, true],
    ["no member of it", { groups: "day" }, false],
    ["two claims", { department: "sales", level: 3 }, true],
    ["two claims of which one is not so", { department: "sales", level: 4 }, false],
    ["a claim that is not there", { team: "a" }, false],
    ["a claim that is null", { nothing: "null" }, false],
    ["the text of a claim that is missing", { team: "undefined" }, false],
    ["what every object inherits", { toString: "x" }, false],
    ["a function that gives true", { level: (value: number) => value > 2 }, true],
    ["a function that gives false", { level: (value: number) => value > 3 }, false],
    [
      "a function of all claims",
      { level: (_v: number, all: typeof CLAIMS) => all.department === "sales" },
      true,
    ],
    ["a function that gives something else than true", { level: () => 1 }, false],
    ["a function that gives a promise", { level: async () => true }, false],
    ["a function of a claim that is missing", { team: (value: unknown) => value === undefined }, true],
  ])("%s", (_what, claims, passes) => {
    expect(codeFor({ claims })).toBe(passes ? undefined : "not_permitted");
  });

  test("__proto__ is a name like any other, and nobody has it", () => {
    expect(codeFor({ claims: JSON.parse('{"__proto__":"x"}') })).toBe("not_permitted");
  });

  test("a function that throws lets nobody pass, and is told; a PortalAuthError of its own is the answer", () => {
    const fails = () => {
      throw new Error("db");
    };
    const refuses = () => {
      throw new PortalAuthError("login_refused", { sentence: "Members only." });
    };
    expect([codeFor({ claims: { level: fails } }), codeFor({ claims: { level: refuses } })]).toEqual([
      "hook_failed",
      "login_refused",
    ]);
  });
});

describe("roles", () => {
  test.each<[what: string, roles: unknown, claim: string, passes: boolean]>([
    ["one that the person has", "editor", "roles", true],
    ["one of two", ["admin", "author"], "roles", true],
    ["two in a text, which is one", "admin author", "roles", false],
    ["none of theirs", ["admin"], "roles", false],
    ["a part of a name", "edit", "roles", false],
    ["where dots lead", "admin", "realm_access.roles", true],
    ["in a claim with a colon in its name", "ops", "cognito:groups", true],
    [
      "in a text with a space, in a claim that is an address with dots",
      "site admin",
      "https://app.example/roles",
      true,
    ],
    ["a word of one, in a text", ["site", "admin"], "https://app.example/roles", false],
    ["in a claim that is not there", "editor", "rules", false],
    ["where dots lead nowhere", "editor", "realm_access.rules.x", false],
    ["in a claim that is a number", "3", "level", false],
    ["in what every object inherits", "Object", "constructor.name", false],
  ])("%s", (_what, roles, claim, passes) => {
    expect(codeFor({ roles }, undefined, claim)).toBe(passes ? undefined : "not_permitted");
  });

  test("what is no text is no role", () => {
    expect(readRoles({ sub: "x", roles: ["a", 1, null, { b: 1 }, ["c"]] }, "roles")).toEqual(["a"]);
  });
});

test("scopes come first, then claims, then roles", () => {
  const wanted = { scope: "x", claims: { level: 9 }, roles: "nobody" };
  expect(codeFor(wanted)).toBe("insufficient_scope");
  expect(createRightsCheck({})).toBeUndefined();
});

test.each<[object, RegExp]>([
  [{ scope: "" }, /scope/],
  [{ scope: [] }, /scope/],
  [{ scope: ['a"b'] }, /scope/],
  [{ scope: ["a b"] }, /scope/],
  [{ scope: 5 }, /scope/],
  [{ roles: "" }, /roles/],
  [{ roles: " " }, /roles/],
  [{ roles: [""] }, /roles/],
  [{ roles: ["a", 5] }, /roles/],
  [{ claims: "admin" }, /claims/],
  [{ claims: [] }, /claims/],
  [{ claims: {} }, /claims/],
  [{ claims: { a: undefined } }, /claims/],
  [{ claims: { a: [] } }, /claims\.a/],
  [{ claims: { a: null } }, /claims\.a/],
  [{ claims: { a: { b: 1 } } }, /claims\.a/],
  [{ claims: { a: Number.NaN } }, /claims\.a/],
])("%j is no demand, and is told when the app starts", (wanted, words) => {
  expect(() => createRightsCheck(wanted as never)).toThrow(words);
});
