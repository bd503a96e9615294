import type { Store } from "express-session";
import { PortalAuthError } from "../errors.js";

/**
 * By what rules sessions live, each by the name of who writes it. A store object knows one set: express-session makes new
 * sessions by it, and we end them.
 */
export type SessionRules = Readonly<Record<string, unknown>>;

const known = new WeakMap<Store, SessionRules>();

/**
 * Notes by what rules the sessions of a store live that an application has handed over.
 *
 * @throws PortalAuthError `options_invalid`: another portalAuth() has it too, with others. Whose counted would be chance,
 *   and a limit of one of them would quietly not hold
 */
export function agreeOnStore(store: Store, rules: SessionRules): void {
  const first = known.get(store);
  if (!first) {
    known.set(store, rules);
    return;
  }
  const others = Object.keys(rules).filter((rule) => first[rule] !== rules[rule]);
  if (others.length > 0) throw new PortalAuthError("options_invalid", { detail: otherRules(others) });
  moreListeners(store);
}

/** Each express-session listens to its store, and Node.js takes the eleventh listener for a leak. */
function moreListeners(store: Store): void {
  const most = store.getMaxListeners?.();
  if (most) store.setMaxListeners(most + 1); // 0 is no limit
}

const A_STORE_FOR_EACH = "make a store for each (two may use one connection, each with a prefix or table of its own)";

const otherRules = (others: readonly string[]): string =>
  `option store: another portalAuth() was given the same store object, and its ${others.join(" and ")} differs: ${A_STORE_FOR_EACH}, or give both the same`;

/** @throws PortalAuthError `options_invalid`: the store that is ours is the app's own session's too */
export function refuseAppsStore(): never {
  throw new PortalAuthError("options_invalid", {
    detail: `option store: the app's own express-session is given the same store object, and its sessions would end by the rules of this portalAuth(): ${A_STORE_FOR_EACH}`,
  });
}
