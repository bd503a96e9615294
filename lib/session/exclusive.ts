import { AsyncResource } from "node:async_hooks";
import type { SessionData, Store } from "express-session";
import type { Lock } from "../lock.js";
import { describeError } from "../redact.js";
import { withDeadline } from "./deadline.js";
import { withLock } from "./lock.js";
import { onceAMinute } from "./once-a-minute.js";
import { createQueue, createTurns, type Turns } from "./queue.js";
import { isPostgresStore, postgresUpdate } from "./stores/postgres-update.js";
import { isRedisStore, redisUpdate } from "./stores/redis-update.js";
import { plainUpdate, promised, type Update } from "./update.js";

/** A store's own methods, as they were before they were replaced. */
export type Plain = Pick<Store, "get" | "set" | "destroy" | "touch">;

/** How the sessions of one store are changed, with nothing in between. */
export interface Exclusive {
  readonly update: Update;
  /** Whether the lock has failed, so that another process may write at the same moment: who has claimed something looks again then. */
  readonly mayCollide: () => boolean;
  /** Calls back where it was called, whatever the store's connection was doing then. */
  readonly get?: Store["get"];
  /** In place of the store's own, where that could come in between. */
  readonly destroy?: (id: string) => Promise<unknown>;
  readonly touch?: (id: string, data: SessionData) => Promise<unknown>;
}

export interface ExclusiveOptions {
  readonly lock: Lock | undefined;
  readonly warn: (message: string) => void;
}

/** Redis and PostgreSQL compare and set by themselves; for other stores there is a queue in this process, and the lock. */
export function createExclusive(store: Store, plain: Plain, { lock, warn }: ExclusiveOptions): Exclusive {
  const atomic = atomicUpdate(store);
  if (atomic) return { update: inTime(atomic, createQueue()), mayCollide: () => false };
  const isMemory = isForOneProcess(store);
  if (!lock && !isMemory) warn(NEEDS_A_LOCK);
  const warnSometimes = onceAMinute(warn);
  let hasFailedAt = Number.NEGATIVE_INFINITY;
  const exclusively =
    lock &&
    withLock(lock, (error) => {
      hasFailedAt = performance.now();
      warnSometimes(lockFailed(error));
    });
  const inTurn: Turns = isMemory && !lock ? createQueue() : createTurns(exclusively);
  const alone = <T>(id: string, work: () => Promise<T>): Promise<T> => inTurn(id, work, true);
  const { get, touch } = plain;
  return {
    update: inTime(plainUpdate(plain), alone),
    mayCollide: () => performance.now() - hasFailedAt < DISTRUST_MS,
    destroy: (id) => alone(id, () => withDeadline(() => promised((done) => plain.destroy(id, done)))),
    // Else a request that waited for a connection would go on in the turn of the one that gave it back.
    ...(!isMemory && { get: (id, done) => get(id, AsyncResource.bind(done)) }),
    // What a memory does is done at once. Elsewhere a touch may read a session and write what it has read; not under the
    // lock, as every request that only reads would pay for it.
    ...(touch &&
      !isMemory && {
        touch: (id, data) => inTurn(id, () => withDeadline(() => promised((done) => touch(id, data, done))), false),
      }),
  };
}

/** So long after a failure the lock is not relied upon: longer than it is left alone then. */
const DISTRUST_MS = 30_000;

/** A store that does not answer holds up those who want the same session for a limited time. */
const inTime =
  (update: Update, alone: <T>(id: string, work: () => Promise<T>) => Promise<T>): Update =>
  (id, change, absent) =>
    alone(id, () => withDeadline((isLate) => update(id, (stored) => (isLate() ? undefined : change(stored)), absent)));

function atomicUpdate(store: Store): Update | undefined {
  if (isRedisStore(store)) return redisUpdate(store);
  return isPostgresStore(store) ? postgresUpdate(store) : undefined;
}

/** By the name of its class: an application may have another copy of express-session than ours. */
const isForOneProcess = (store: Store): boolean => /memory/i.test(store.constructor.name);

const NEEDS_A_LOCK =
  "This session store is none that express-portal-auth knows how to change in one step (connect-redis 9, connect-pg-simple, memory). That is fine for one process; for several use one of those, or hand portalAuth() a lock.";

const lockFailed = (error: unknown): string =>
  `The option lock failed (${describeError(error)}). Sessions are changed without it meanwhile: two processes that change one at the same moment may lose a change. Look at the lock's service; the lock must call work, and give what it gave.`;
