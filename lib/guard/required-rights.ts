import type { Claims } from "../contract/tokens.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import type { PortalSession } from "../session/login-record.js";
import type { Settings } from "../settings/settings.js";
import {
  isNameList,
  SPACE_SEPARATED_NAME,
  type SpaceSeparated,
  splitOnSpaces,
} from "../util/split-on-spaces.js";

/** A value with which a claim can be compared. */
export type ClaimValue = string | number | boolean;

/**
 * The values with which a claim of this type can be compared: its own type, or the type of its members if it
 * is a list.
 */
export type ComparableClaim<Value> = unknown extends Value
  ? ClaimValue
  : Extract<NonNullable<Value> extends readonly (infer Item)[] ? Item : NonNullable<Value>, ClaimValue>;

/** The requirement for a claim: this value, one of these values, or a function that returns true. */
export type ClaimRequirement<Value, All> =
  | ComparableClaim<Value>
  | readonly ComparableClaim<Value>[]
  | ((value: Value | undefined, claims: All) => boolean);

/**
 * The claims for which there can be requirements: any claim, or, if the application declares its claims,
 * those and the standard ones.
 */
export type RequirableClaims<MyClaims> = Claims extends MyClaims
  ? Claims
  : { [Name in keyof Claims as string extends Name ? never : Name]: Claims[Name] } & MyClaims;

/** Requirements by the name of the claim. All of them must be met. */
export type ClaimRequirements<MyClaims = Claims> = {
  readonly [Name in keyof RequirableClaims<MyClaims>]?: ClaimRequirement<
    RequirableClaims<MyClaims>[Name],
    Claims & MyClaims
  >;
};

/** The rights that a guard requires of a signed-in user. */
export interface RequiredRights<MyClaims = Claims> {
  readonly scope?: SpaceSeparated | undefined;
  readonly claims?: ClaimRequirements<MyClaims> | undefined;
  readonly roles?: string | readonly string[] | undefined;
}

/** Returns the error for the first missing right of a login; undefined if it has all rights. */
export type FindMissingRight = (session: PortalSession, settings: Settings) => PortalAuthError | undefined;

/**
 * Creates the check of the required rights: scopes first, then claims, then roles. Returns undefined if none
 * is required.
 *
 * @throws TypeError for an invalid requirement
 */
export function createRightsCheck(required: RequiredRights<never>): FindMissingRight | undefined {
  const checks = [
    createScopeCheck(resolveScopes(required.scope)),
    createClaimsCheck(required.claims),
    createRolesCheck(resolveRoles(required.roles)),
  ].filter((check) => check !== undefined);
  if (checks.length === 0) return undefined;
  return (session, settings) => {
    for (const check of checks) {
      const error = check(session, settings);
      if (error) return error;
    }
    return undefined;
  };
}

/** @throws TypeError for an empty list or an invalid name */
function resolveScopes(scope: SpaceSeparated | undefined): readonly string[] | undefined {
  if (scope === undefined) return undefined;
  const names = splitOnSpaces(scope);
  if (!isNameList(names, SPACE_SEPARATED_NAME))
    throw new TypeError("requireAuth: scope must be a name or a list of names, and not empty");
  if (typeof scope === "string" && scope.includes(","))
    throw new TypeError("requireAuth: scope must be a list, or names separated by spaces");
  return [...names];
}

/**
 * Resolves the option `roles`. A string is one role, because role names of some providers contain spaces.
 *
 * @throws TypeError for an empty list or an invalid name
 */
function resolveRoles(roles: string | readonly string[] | undefined): readonly string[] | undefined {
  if (roles === undefined) return undefined;
  const names = [roles].flat();
  if (!isNameList(names, /\S/))
    throw new TypeError("requireAuth: roles must be a name or a list of names, and not empty");
  if (typeof roles === "string" && roles.includes(","))
    throw new TypeError("requireAuth: roles must be one name or a list of names");
  return names;
}

/**
 * Creates the check of the granted scope (RFC 6750, section 3.1). If the provider does not report the granted
 * scope, it is the requested one (RFC 6749, section 5.1).
 */
function createScopeCheck(required: readonly string[] | undefined): FindMissingRight | undefined {
  if (!required) return undefined;
  const challenge = { error: "insufficient_scope", scope: required.join(" ") };
  return ({ tokens }, settings) => {
    const granted = (tokens.scope ?? settings.scope).split(" ");
    const missing = required.filter((name) => !granted.includes(name));
    if (missing.length === 0) return undefined;
    return new PortalAuthError("insufficient_scope", { detail: missing.join(" "), challenge });
  };
}

function createRolesCheck(required: readonly string[] | undefined): FindMissingRight | undefined {
  if (!required) return undefined;
  return ({ claims }, { rolesClaim }) => {
    const roles = readRoles(claims, rolesClaim);
    if (roles.some((role) => required.includes(role))) return undefined;
    const reason = roles.length === 0 ? "no roles in" : "no required role in";
    return new PortalAuthError("not_permitted", { detail: `roles: ${reason} the claim ${rolesClaim}` });
  };
}

/**
 * Returns the roles of a user. They are in a claim with exactly this name (`cognito:groups`, a URL), or else
 * at the path that the dots describe (`realm_access.roles`). A string is one role: "site admin" does not
 * contain "admin".
 */
export function readRoles(claims: Readonly<Claims>, name: string): string[] {
  const found = getOwnMember(claims, name) ?? name.split(".").reduce<unknown>(getOwnMember, claims);
  return [found].flat().filter((role) => typeof role === "string");
}

const getOwnMember = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;

type CheckClaim = (value: unknown, claims: Readonly<Claims>) => PortalAuthError | undefined;

function createClaimsCheck(required: RequiredRights<never>["claims"]): FindMissingRight | undefined {
  if (required === undefined) return undefined;
  if (typeof required !== "object" || required === null || Array.isArray(required))
    throw new TypeError(
      "requireAuth: claims must be an object with the name of a claim for each requirement",
    );
  const checks = Object.entries(required).map(
    ([name, requirement]) => [name, createClaimCheck(name, requirement)] as const,
  );
  if (checks.length === 0) throw new TypeError("requireAuth: claims must not be empty");
  return ({ claims }) => {
    for (const [name, checkClaim] of checks) {
      const error = checkClaim(getOwnMember(claims, name), claims);
      if (error) return error;
    }
    return undefined;
  };
}

function createClaimCheck(name: string, requirement: unknown): CheckClaim {
  if (typeof requirement === "function")
    return createFunctionCheck(name, requirement as Parameters<typeof createFunctionCheck>[1]);
  const required = [requirement].flat();
  if (required.length === 0 || !required.every(isClaimValue))
    throw new TypeError(`requireAuth: claims.${name} must be a value, a list of values or a function`);
  return (value) => {
    if ([value].flat().some((item) => required.includes(item as ClaimValue))) return undefined;
    return createClaimError(name, value === undefined ? "missing" : "another value");
  };
}

/** Creates the check of a claim by a function of the application. Only `true` passes; a promise does not. */
const createFunctionCheck =
  (name: string, hasRight: (value: unknown, claims: Readonly<Claims>) => unknown): CheckClaim =>
  (value, claims) => {
    try {
      const result = hasRight(value, claims);
      if (result === true) return undefined;
      if (!(result instanceof Promise)) return createClaimError(name, "its function did not return true");
      result.catch(() => {}); // an unhandled rejection would end the process
      return createClaimError(name, "its function returned a promise, but must be synchronous");
    } catch (cause) {
      if (cause instanceof PortalAuthError) return cause;
      return new PortalAuthError("hook_failed", { detail: `claims.${name} of requireAuth() threw`, cause });
    }
  };

const createClaimError = (name: string, reason: string) =>
  new PortalAuthError("not_permitted", { detail: `claim ${name}: ${reason}` });

const isClaimValue = (value: unknown): value is ClaimValue =>
  typeof value === "string" ||
  typeof value === "boolean" ||
  (typeof value === "number" && !Number.isNaN(value));
