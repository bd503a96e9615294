import { randomBytes } from "node:crypto";
import type { RecordStore } from "./record-store.js";

/** The outcome of a trial with records that nobody needs. */
export interface ProbeResult {
  /** Whether one connection reads and extends what another one has written. */
  readonly isShared: boolean;
  /** Whether nothing was lost of what two connections did at the same moment. */
  readonly isExclusive: boolean;
  /**
   * Whether one connection reads the names that another one has listed, and no longer those that it has
   * removed.
   */
  readonly isListed: boolean;
}

const COUNTS = 10;
const LIFE_MS = 60_000;
const MAX_ATTEMPTS = 1000;

/**
 * Writes a record under a random key on one connection, reads it on another, lets both change it at the same
 * moment, lists it, and removes it. If this process is killed in between, everything expires after a minute.
 */
export async function probeStores(one: RecordStore, other: RecordStore): Promise<ProbeResult> {
  const key = `probe:${randomBytes(16).toString("hex")}`;
  try {
    await one.create(key, "0", LIFE_MS);
    const isShared = (await other.read(key))?.text === "0" && (await other.touch(key, LIFE_MS));
    if (!isShared) return { isShared, isExclusive: false, isListed: false };
    const isExclusive = (await createOnce([one, other], key)) && (await countTogether([one, other], key));
    return { isShared, isExclusive, isListed: await canList(one, other, key) };
  } finally {
    await one.remove(key);
  }
}

async function createOnce(stores: readonly RecordStore[], key: string): Promise<boolean> {
  const name = `${key}:created`;
  const created = await Promise.all(stores.map((store) => store.create(name, "", LIFE_MS)));
  const removed = await Promise.all(stores.map((store) => store.remove(name)));
  return created.filter(Boolean).length === 1 && removed.filter(Boolean).length === 1;
}

async function countTogether(stores: readonly RecordStore[], key: string): Promise<boolean> {
  await Promise.all(stores.map((store) => countUp(store, key)));
  return Number((await stores[0]?.read(key))?.text) === COUNTS * stores.length;
}

async function countUp(store: RecordStore, key: string): Promise<void> {
  let counted = 0;
  for (let attempt = 0; counted < COUNTS && attempt < MAX_ATTEMPTS; attempt += 1) {
    const stored = await store.read(key);
    if (stored && (await store.replace(key, stored.version, String(Number(stored.text) + 1)))) counted += 1;
  }
}

async function canList(one: RecordStore, other: RecordStore, name: string): Promise<boolean> {
  await one.index.add(name, name, LIFE_MS);
  const before = await other.index.list(name);
  await other.index.remove(name, [name]);
  const after = await one.index.list(name);
  return before.includes(name) && after.length === 0;
}
