import type { Hooks } from "../contract/hooks.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";

/**
 * Calls a hook and returns its result.
 *
 * @throws PortalAuthError the one that the hook threw; for any other error `hook_failed`, with the name of
 *   the hook
 */
export async function callHook<T>(
  name: keyof Hooks | "authorizationParams" | "renderPage",
  call: () => T | Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof PortalAuthError) throw cause;
    throw new PortalAuthError("hook_failed", { cause, detail: `${name} threw` });
  }
}
