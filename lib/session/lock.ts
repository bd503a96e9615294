import { createHash } from "node:crypto";
import type { Lock } from "../lock.js";
import { withinTime } from "../within-time.js";

/** A lock service that does not answer for longer is down. */
const PATIENCE_MS = 5000;

/**
 * The lock of an application, for one session. When its service is down the work is done without it: that two processes
 * do the same at the same moment is unlikely, and that nobody is let in is worse.
 */
export function withLock(lock: Lock, onFailure: (error: unknown) => void): Lock {
  return async function locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    let running: Promise<T> | undefined;
    const once = () => {
      running ??= work();
      return running;
    };
    try {
      return await withinTime(lock(nameFor(id), once), PATIENCE_MS, tooLate);
    } catch (error) {
      if (!running) onFailure(error);
      return once(); // its own outcome: what failed may have been the release
    }
  };
}

function tooLate(): never {
  throw new Error(`no answer within ${PATIENCE_MS / 1000} s`);
}

/** A session's id opens the session: it is not handed to a service that need not know it. */
const nameFor = (id: string) =>
  `express-portal-auth:${createHash("sha256").update(id).digest("base64url").slice(0, 22)}`;
