import { randomBytes } from "node:crypto";
import session, { type SessionData, type Store } from "express-session";
import type { Lock } from "../../lock.js";
import { createExclusive, type Exclusive } from "../exclusive.js";
import { promised } from "../update.js";

/** What became of a session that nobody needs. */
export interface Probed {
  /** Whether what one connection has written another one reads. */
  readonly isShared: boolean;
  /** Whether no change was lost of two that count at the same moment. */
  readonly isExclusive: boolean;
  /** Told by who changes sessions: what several processes would need. */
  readonly warnings: readonly string[];
}

const COUNTS = 10;
const LIFE_MS = 60_000;

/**
 * Writes a session under a random id by one connection, reads it by another, lets both count in it at the same moment,
 * and takes it away again, whatever happens between; it would end by itself after a minute.
 */
export async function probeStores(one: Store, other: Store, lock?: Lock): Promise<Probed> {
  const warnings: string[] = [];
  const exclusiveOf = (store: Store) =>
    createExclusive(store, store, { lock, warn: (warning) => void warnings.push(warning) });
  const id = `doctor-${randomBytes(16).toString("hex")}`;
  const cookie = new session.Cookie();
  cookie.maxAge = LIFE_MS;
  try {
    await promised((done) => one.set(id, { cookie, count: 0 } as unknown as SessionData, done));
    const isShared = Boolean(await read(other, id));
    if (!isShared) return { isShared, isExclusive: false, warnings };
    const first = exclusiveOf(one);
    const writers = [first, one === other ? first : exclusiveOf(other)];
    await Promise.all(writers.map((writer) => countUp(writer, id)));
    const isExclusive = Number(Object(await read(one, id)).count) === COUNTS * writers.length;
    return { isShared, isExclusive, warnings };
  } finally {
    await promised((done) => one.destroy(id, done));
  }
}

const read = (store: Store, id: string): Promise<unknown> => promised((done) => store.get(id, done));

async function countUp({ update }: Exclusive, id: string): Promise<void> {
  for (let turn = 0; turn < COUNTS; turn += 1)
    await update(id, (stored) => ({ ...stored, count: Number(stored["count"]) + 1 }));
}
