import type { Store } from "express-session";
import { PortalAuthError } from "../errors.js";
import { pause } from "./pause.js";
import type { StoredSession } from "./stored.js";

/**
 * What a stored session shall become: something else, nothing (null: it is destroyed), or what it is (undefined). May be
 * called more than once for one update, so it only looks and answers.
 */
export type Change = (stored: StoredSession) => StoredSession | null | undefined;

/**
 * Reads a session from the store, changes it and writes it back, and no other write comes in between. Gives what is
 * stored now; undefined when there is no such session (any more), in which case nothing was written.
 *
 * @param absent what is changed where nothing is stored; without it nothing is made
 */
export type Update = (id: string, change: Change, absent?: StoredSession) => Promise<StoredSession | undefined>;

/** What the optimistic way needs of a store: the text that was read, and a write that happens only if it is still there. */
export interface Replaceable {
  read(id: string): Promise<{ readonly text: string; readonly session: StoredSession } | undefined>;
  /**
   * Null destroys. False: somebody else has written meanwhile.
   *
   * @param text undefined where nothing was there
   */
  replace(id: string, text: string | undefined, next: StoredSession | null): Promise<boolean>;
}

const ATTEMPTS = 50;

/** For stores that can compare and set: no lock is needed, and none can be lost. */
export function optimisticUpdate({ read, replace }: Replaceable): Update {
  return async function update(id, change, absent) {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const found = await read(id);
      const session = found?.session ?? absent;
      if (!session) return undefined;
      const next = change(session);
      if (next === undefined) return found?.session;
      if (next === null && !found) return undefined;
      if (await replace(id, found?.text, next)) return next ?? undefined;
      await pause(Math.random() * Math.min(attempt, 10) * 2); // the first time at once
    }
    throw new PortalAuthError("session_store_failed", { detail: `${ATTEMPTS} writes of others came in between` });
  };
}

type Reads = Pick<Store, "get" | "set" | "destroy">;

/** For every other store: by its own methods, which must be called while nobody else calls them for this session. */
export function plainUpdate(store: Reads): Update {
  return async function update(id, change, absent) {
    const stored = (await promised<unknown>((done) => store.get(id, done))) as StoredSession | null | undefined;
    const session = stored ?? absent;
    if (!session) return undefined;
    const next = change(session);
    if (next === undefined) return stored ?? undefined;
    if (next !== null) await promised((done) => store.set(id, next as never, done));
    else if (stored) await promised((done) => store.destroy(id, done));
    return next ?? undefined;
  };
}

/** A method of a store, whose last argument is a callback, as a promise. */
export function promised<T>(call: (done: (error?: unknown, value?: T) => void) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
}
