import { randomBytes } from "node:crypto";
import type { RecordStore } from "./record-store.js";

/** The outcome of a test with temporary records. */
export interface ProbeResult {
  /** Whether one connection reads and extends a record that another one has written. */
  readonly isShared: boolean;
  /** Whether no change is lost if two connections write at the same time. */
  readonly isExclusive: boolean;
  /** Whether one connection sees the names that another one adds to a list and removes from it. */
  readonly isListed: boolean;
}

const INCREMENTS = 10;
const LIFE_MS = 60_000;
const MAX_ATTEMPTS = 1000;

/**
 * Tests a store via two connections: writes a record under a random key on one connection, and reads it on
 * the other one. Then both connections change it at the same time, list it and remove it. If this process is
 * killed in between, all records expire after a minute.
 */
export async function probeStores(first: RecordStore, second: RecordStore): Promise<ProbeResult> {
  const key = `probe:${randomBytes(16).toString("hex")}`;
  const both = [first, second];
  try {
    await first.create(key, "0", LIFE_MS);
    const isShared = (await second.read(key))?.text === "0" && (await second.touch(key, LIFE_MS));
    if (!isShared) return { isShared, isExclusive: false, isListed: false };
    const isExclusive = (await canCreateOnce(both, key)) && (await canIncrement(both, key));
    return { isShared, isExclusive, isListed: await canList(first, second, key) };
  } finally {
    await first.remove(key);
  }
}

async function canCreateOnce(stores: readonly RecordStore[], key: string): Promise<boolean> {
  const name = `${key}:created`;
  const created = await Promise.all(stores.map((store) => store.create(name, "", LIFE_MS)));
  const removed = await Promise.all(stores.map((store) => store.remove(name)));
  return created.filter(Boolean).length === 1 && removed.filter(Boolean).length === 1;
}

async function canIncrement(stores: readonly RecordStore[], key: string): Promise<boolean> {
  await Promise.all(stores.map((store) => increment(store, key)));
  return Number((await stores[0]?.read(key))?.text) === INCREMENTS * stores.length;
}

async function increment(store: RecordStore, key: string): Promise<void> {
  let count = 0;
  for (let attempt = 0; count < INCREMENTS && attempt < MAX_ATTEMPTS; attempt += 1) {
    const stored = await store.read(key);
    if (stored && (await store.replace(key, stored.version, String(Number(stored.text) + 1)))) count += 1;
  }
}

async function canList(first: RecordStore, second: RecordStore, name: string): Promise<boolean> {
  await first.index.add(name, name, LIFE_MS);
  const before = await second.index.list(name);
  await second.index.remove(name, [name]);
  const after = await first.index.list(name);
  return before.includes(name) && after.length === 0;
}
