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

/** What a claim can be compared with. */
export type ClaimValue = string | number | boolean;

/** With what a claim of this type can be compared: the value, or a member of the list that it is. */
export type ComparableClaim<Value> = unknown extends Value
  ? ClaimValue
  : Extract<NonNullable<Value> extends readonly (infer Item)[] ? Item : NonNullable<Value>, ClaimValue>;

/** What is demanded of a claim: this value, one of these, or what a function says of it. */
export type ClaimDemand<Value, All> =
  | ComparableClaim<Value>
  | readonly ComparableClaim<Value>[]
  | ((value: Value | undefined, claims: All) => boolean);

/** Of which claims there can be demands: whichever, or, where the application says what its claims are, these and the standard ones. */
export type DemandableClaims<MyClaims> = Claims extends MyClaims
  ? Claims
  : { [Name in keyof Claims as string extends Name ? never : Name]: Claims[Name] } & MyClaims;

/** Demands by the name of the claim. */
export type ClaimDemands<MyClaims = Claims> = {
  readonly [Name in keyof DemandableClaims<MyClaims>]?: ClaimDemand<
    DemandableClaims<MyClaims>[Name],
    Claims & MyClaims
  >;
};

/** What somebody who is logged in must be allowed to do. */
export interface RequiredRights<MyClaims = Claims> {
  readonly scope?: SpaceSeparated | undefined;
  readonly claims?: ClaimDemands<MyClaims> | undefined;
  readonly roles?: string | readonly string[] | undefined;
}

/** Why a login lacks a right; undefined when it has them all. */
export type FindMissingRight = (session: PortalSession, settings: Settings) => PortalAuthError | undefined;

/**
 * Settles what is demanded; undefined where nothing is.
 *
 * @throws TypeError for what is no demand
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

/** @throws TypeError for none, or for what is no name */
function resolveScopes(requested: SpaceSeparated | undefined): readonly string[] | undefined {
  if (requested === undefined) return undefined;
  const names = splitOnSpaces(requested);
  if (!isNameList(names, SPACE_SEPARATED_NAME))
    throw new TypeError("requireAuth: scope must be a name, or a list of names, and not empty");
  if (typeof requested === "string" && requested.includes(","))
    throw new TypeError("requireAuth: scope must be a list, or a text whose names are separated by spaces");
  return [...names];
}

/**
 * A text is one role: of some portals their names hold spaces.
 *
 * @throws TypeError for none, or for what is no name
 */
function resolveRoles(requested: string | readonly string[] | undefined): readonly string[] | undefined {
  if (requested === undefined) return undefined;
  const names = [requested].flat();
  if (!isNameList(names, /\S/))
    throw new TypeError("requireAuth: roles must be a name, or a list of names, and not empty");
  if (typeof requested === "string" && requested.includes(","))
    throw new TypeError("requireAuth: roles must be one name, or a list of several");
  return names;
}

/** RFC 6750, section 3.1. Where the portal does not say what it has granted, that is what was asked for (RFC 6749, section 5.1). */
function createScopeCheck(required: readonly string[] | undefined): FindMissingRight | undefined {
  if (!required) return undefined;
  const challenge = { error: "insufficient_scope", scope: required.join(" ") };
  return ({ tokens }, settings) => {
    const granted = (tokens.scope ?? settings.scope).split(" ");
    const missing = required.filter((one) => !granted.includes(one));
    if (missing.length === 0) return undefined;
    return new PortalAuthError("insufficient_scope", { detail: missing.join(" "), challenge });
  };
}

function createRolesCheck(required: readonly string[] | undefined): FindMissingRight | undefined {
  if (!required) return undefined;
  return ({ claims }, { rolesClaim }) => {
    const roles = readRoles(claims, rolesClaim);
    if (roles.some((role) => required.includes(role))) return undefined;
    const reason = roles.length === 0 ? "none in" : "none that is wanted in";
    return new PortalAuthError("not_permitted", { detail: `roles: ${reason} the claim ${rolesClaim}` });
  };
}

/**
 * In a claim of exactly this name (`cognito:groups`, an address), or else where the dots lead (`realm_access.roles`). A text
 * is one role: a "site admin" is no "admin".
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
    throw new TypeError("requireAuth: claims must be an object of demands by the claim's name");
  const demands = Object.entries(required).map(
    ([name, demand]) => [name, createClaimCheck(name, demand)] as const,
  );
  if (demands.length === 0) throw new TypeError("requireAuth: claims demands nothing");
  return ({ claims }) => {
    for (const [name, checkClaim] of demands) {
      const error = checkClaim(getOwnMember(claims, name), claims);
      if (error) return error;
    }
    return undefined;
  };
}

function createClaimCheck(name: string, demand: unknown): CheckClaim {
  if (typeof demand === "function")
    return createFunctionCheck(name, demand as Parameters<typeof createFunctionCheck>[1]);
  const required = [demand].flat();
  if (required.length === 0 || !required.every(isClaimValue))
    throw new TypeError(`requireAuth: claims.${name} must be a value, a list of values or a function`);
  return (value) => {
    if ([value].flat().some((one) => required.includes(one as ClaimValue))) return undefined;
    return createClaimError(name, value === undefined ? "missing" : "another value");
  };
}

/** Only `true` lets anybody pass: a promise, which is something as well, does not. */
const createFunctionCheck =
  (name: string, demand: (value: unknown, claims: Readonly<Claims>) => unknown): CheckClaim =>
  (value, claims) => {
    try {
      const result = demand(value, claims);
      if (result === true) return undefined;
      if (!(result instanceof Promise)) return createClaimError(name, "its function says no");
      result.catch(() => {}); // nobody waits for it, and Node.js would end the process
      return createClaimError(name, "its function gave a promise, and must answer at once");
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
