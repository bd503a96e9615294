import { PortalAuthError } from "../errors/portal-auth-error.js";

/**
 * Creates a `hook_failed`. The detail names the hook and the member, and never the value, which may be a
 * secret.
 */
export const createHookError = (detail: string): PortalAuthError =>
  new PortalAuthError("hook_failed", { detail });

/**
 * Checks that an object of a hook can be stored. Session stores save JSON (RFC 8259).
 *
 * @param name the name of the object, for the message
 * @throws PortalAuthError `hook_failed`, with the name of the member
 */
export function assertStorable(
  hook: "onTokens" | "onLogin",
  name: string,
  value: unknown,
): asserts value is Record<string, unknown> {
  if (!isObject(value)) throw createHookError(`${hook}: ${name} is not an object`);
  const invalidMember = Object.keys(value).find((member) => !isStorable(value[member]));
  if (invalidMember !== undefined)
    throw createHookError(`${hook}: ${name}.${invalidMember} cannot be stored as JSON`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function isStorable(value: unknown): boolean {
  try {
    return value === undefined || JSON.stringify(value) !== undefined;
  } catch {
    return false;
  }
}
