import { createHash } from "node:crypto";
import type { Lock } from "../lock.js";
import { keepNewest } from "../newest.js";
import { withinTime } from "../within-time.js";

/** A lock service that does not answer for longer is down. */
const PATIENCE_MS = 5000;
/** So long it is not asked again then: each request would be kept waiting. */
const LEFT_ALONE_MS = 10_000;
const MOST_NAMES = 1000;

/**
 * The lock of an application, for one session. When its service is down the work is done without it: that two processes
 * do the same at the same moment is unlikely, and that nobody is let in is worse.
 */
export function withLock(lock: Lock, onFailure: (error: unknown) => void): Lock {
  const silence = createSilence();
  return async function locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    const name = nameFor(id);
    if (silence.isLeftAlone(name)) return work();
    let running: Promise<T> | undefined;
    const once = () => {
      running ??= work();
      return running;
    };
    const tooLate = () => {
      if (!running) silence.met(name);
      throw new Error(`no answer within ${PATIENCE_MS / 1000} s`);
    };
    try {
      await withinTime(lock(name, once), PATIENCE_MS, tooLate);
      if (!running) throw new Error("it gave an answer without having called work");
      silence.broken();
    } catch (error) {
      if (!running) onFailure(error);
    }
    return once(); // its own outcome: what failed may have been the release
  };
}

/**
 * For what the lock has given no answer. One name may be held by a process that was killed, and says nothing of the
 * others; the service is down when a second name is met with silence, and none has been locked between.
 */
function createSilence() {
  const untilOf = new Map<string, number>();
  let untilOfAll = 0;
  let metLast: string | undefined; // with none locked since
  return {
    isLeftAlone: (name: string) => performance.now() < Math.max(untilOfAll, untilOf.get(name) ?? 0),
    met(name: string) {
      const until = performance.now() + LEFT_ALONE_MS;
      keepNewest(untilOf, name, until, MOST_NAMES);
      if (metLast !== undefined && metLast !== name) untilOfAll = until;
      metLast = name;
    },
    broken() {
      metLast = undefined;
    },
  };
}

/** A session's id opens the session: it is not handed to a service that need not know it. */
const nameFor = (id: string) =>
  `express-portal-auth:${createHash("sha256").update(id).digest("base64url").slice(0, 22)}`;
