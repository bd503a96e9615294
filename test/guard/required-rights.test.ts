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

const getErrorCode = (
  required: object,
  scope: string | undefined = "openid orders:read",
  rolesClaim = "roles",
) => {
  const session = { claims: CLAIMS, tokens: { access_token: "x", ...(scope !== undefined && { scope }) } };
  const settings = { scope: "openid asked:for", rolesClaim } as Settings;
  return createRightsCheck(required as RequiredRights<never>)?.(session as unknown as PortalSession, settings)
    ?.code;
};

describe("scopes", () => {
  test.each([
    ["a granted scope", "orders:read", undefined],
    ["several granted scopes in a string", "openid orders:read", undefined],
    ["several granted scopes in a list", ["orders:read", "openid"], undefined],
    ["a scope that was not granted", "orders:write", "insufficient_scope"],
    ["two scopes of which one was not granted", ["orders:read", "orders:write"], "insufficient_scope"],
    ["a part of a granted scope", "orders", "insufficient_scope"],
    ["a granted scope in other case", "OPENID", "insufficient_scope"],
  ])("%s", (_case, scope, code) => {
    expect(getErrorCode({ scope })).toBe(code);
  });

  test("if the provider does not report the granted scope, the requested scope counts", () => {
    const getMissingRight = (scope: string) => {
      const session = { claims: CLAIMS, tokens: { access_token: "x" } } as unknown as PortalSession;
      return createRightsCheck({ scope })?.(session, { scope: "openid asked:for" } as Settings)?.code;
    };
    expect([getMissingRight("asked:for"), getMissingRight("orders:read")]).toEqual([
      undefined,
      "insufficient_scope",
    ]);
  });

  test("the detail names the missing scopes and the challenge the required ones", () => {
    const session = { claims: CLAIMS, tokens: { scope: "openid" } } as unknown as PortalSession;
    const error = createRightsCheck({ scope: "openid orders:read" })?.(session, {} as Settings);
    expect(error?.detail).toBe("orders:read");
    expect(error?.headers).toEqual({
      "WWW-Authenticate": 'Bearer realm="portal", error="insufficient_scope", scope="openid orders:read"',
    });
  });
});

describe("claims", () => {
  test.each<[name: string, claims: object, passes: boolean]>([
    ["a value", { department: "sales" }, true],
    ["a number", { level: 3 }, true],
    ["true", { isMember: true }, true],
    ["another value", { department: "it" }, false],
    ["a number written as a string", { level: "3" }, false],
    ["false", { isMember: false }, false],
    ["one value of a list", { department: ["it", "sales"] }, true],
    ["no value of a list", { department: ["it", "law"] }, false],
    ["a member of a claim that is a list", { groups: "night" }, true],
    ["one value of a list, for a claim that is a list", { groups: ["day", "night"] }, true],
    ["no member of a claim that is a list", { groups: "day" }, false],
    ["two claims", { department: "sales", level: 3 }, true],
    ["two claims of which one differs", { department: "sales", level: 4 }, false],
    ["a missing claim", { team: "a" }, false],
    ["a claim that is null", { nothing: "null" }, false],
    ["the string undefined for a missing claim", { team: "undefined" }, false],
    ["an inherited member", { toString: "x" }, false],
    ["a function that returns true", { level: (value: number) => value > 2 }, true],
    ["a function that returns false", { level: (value: number) => value > 3 }, false],
    [
      "a function of all claims",
      { level: (_v: number, all: typeof CLAIMS) => all.department === "sales" },
      true,
    ],
    ["a function that returns a truthy value other than true", { level: () => 1 }, false],
    ["a function that returns a promise", { level: async () => true }, false],
    ["a function for a missing claim", { team: (value: unknown) => value === undefined }, true],
  ])("%s", (_case, claims, passes) => {
    expect(getErrorCode({ claims })).toBe(passes ? undefined : "not_permitted");
  });

  test("__proto__ is an ordinary claim name that no user has", () => {
    expect(getErrorCode({ claims: JSON.parse('{"__proto__":"x"}') })).toBe("not_permitted");
  });

  test("a function that throws rejects the request; a PortalAuthError that it throws is the response", () => {
    const throwsError = () => {
      throw new Error("db");
    };
    const rejects = () => {
      throw new PortalAuthError("login_refused", { sentence: "Members only." });
    };
    expect([
      getErrorCode({ claims: { level: throwsError } }),
      getErrorCode({ claims: { level: rejects } }),
    ]).toEqual(["hook_failed", "login_refused"]);
  });
});

describe("roles", () => {
  test.each<[name: string, roles: unknown, claim: string, passes: boolean]>([
    ["a role of the user", "editor", "roles", true],
    ["one of two roles", ["admin", "author"], "roles", true],
    ["two role names in a string, which are one role", "admin author", "roles", false],
    ["a role that the user does not have", ["admin"], "roles", false],
    ["a part of a name", "edit", "roles", false],
    ["a path with dots", "admin", "realm_access.roles", true],
    ["a roles claim with a colon in its name", "ops", "cognito:groups", true],
    ["a role with a space, in a claim whose name is a URL", "site admin", "https://app.example/roles", true],
    ["one word of a role", ["site", "admin"], "https://app.example/roles", false],
    ["a missing roles claim", "editor", "rules", false],
    ["a path with dots to a missing member", "editor", "realm_access.rules.x", false],
    ["a roles claim that is a number", "3", "level", false],
    ["a path to an inherited member", "Object", "constructor.name", false],
  ])("%s", (_case, roles, claim, passes) => {
    expect(getErrorCode({ roles }, undefined, claim)).toBe(passes ? undefined : "not_permitted");
  });

  test("roles that are not strings are ignored", () => {
    expect(readRoles({ sub: "x", roles: ["a", 1, null, { b: 1 }, ["c"]] }, "roles")).toEqual(["a"]);
  });
});

test("scopes are checked first, then claims, then roles", () => {
  const required = { scope: "x", claims: { level: 9 }, roles: "other" };
  expect(getErrorCode(required)).toBe("insufficient_scope");
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
])("%j is an invalid requirement and rejected at start-up", (required, message) => {
  expect(() => createRightsCheck(required as never)).toThrow(message);
});
