import { type Kept, knownOf } from "./known.js";
import type { Lifetime, Limits } from "./lifetime.js";
import { createJoin } from "./queue.js";
import type { StoredSession } from "./stored.js";
import type { Update } from "./update.js";

/** The end is pushed forward at most so often, and ten times within a limit that is shorter. */
const EVERY_SECONDS = 60;

/** Pushes the idle end of a session of ours forward, as it is in use; undefined when it is too early for that. */
export type Push = (id: string, data: Kept) => Promise<void> | undefined;

export function createPush({ idleSeconds }: Limits, lifetime: Lifetime, update: Update): Push {
  const once = createJoin<void>();

  function isWorthIt(endsAt: number, stored: StoredSession): boolean {
    const every = Math.min(EVERY_SECONDS, idleSeconds / 10);
    return (lifetime.endsAt(stored) ?? 0) - endsAt >= every * 1000;
  }

  /** Whatever is stored now lives on: a copy that was loaded a while ago is not written back. */
  async function push(id: string): Promise<void> {
    await update(id, (stored) => {
      const { expires } = stored.cookie;
      const isDue = expires && isWorthIt(new Date(expires).getTime(), stored);
      return isDue ? { ...stored } : undefined; // another process may have done it
    });
  }

  return function pushIfDue(id, data) {
    const known = knownOf(id, data);
    if (!known?.expires || known.written) return undefined;
    if (!isWorthIt(known.expires.getTime(), data as unknown as StoredSession)) return undefined;
    return once(id, () => push(id));
  };
}
