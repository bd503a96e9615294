import { createHash } from "node:crypto";
import type { Lock } from "../lock.js";
import { withinTime } from "../within-time.js";

/** A lock service that does not answer for longer is down. */
const PATIENCE_MS = 5000;
/** So long it is not asked again then: each request would be kept waiting. */
const LEFT_ALONE_MS = 10_000;

/**
 * The lock of an application, for one session. When its service is down the work is done without it: that two processes
 * do the same at the same moment is unlikely, and that nobody is let in is worse.
 */
export function withLock(lock: Lock, onFailure: (error: unknown) => void): Lock {
  let leftAloneUntil = 0;
  return async function locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    if (performance.now() < leftAloneUntil) return work();
    let running: Promise<T> | undefined;
    const once = () => {
      running ??= work();
      return running;
    };
    const tooLate = () => {
      if (!running) leftAloneUntil = performance.now() + LEFT_ALONE_MS;
      throw new Error(`no answer within ${PATIENCE_MS / 1000} s`);
    };
    try {
      await withinTime(lock(nameFor(id), once), PATIENCE_MS, tooLate);
      if (!running) throw new Error("it gave an answer without having called work");
    } catch (error) {
      if (!running) onFailure(error);
    }
    return once(); // its own outcome: what failed may have been the release
  };
}

/** A session's id opens the session: it is not handed to a service that need not know it. */
const nameFor = (id: string) =>
  `express-portal-auth:${createHash("sha256").update(id).digest("base64url").slice(0, 22)}`;
