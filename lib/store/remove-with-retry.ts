import { pause } from "../util/pause.js";
import type { RecordStore, StoredRecord } from "./record-store.js";

/** The outcome of a removal. */
export interface Removal {
  readonly removed: StoredRecord | undefined;
  /**
   * Whether an earlier attempt has failed. If `removed` is undefined, that attempt may have removed the
   * record, and its response was lost.
   */
  readonly isRepeated: boolean;
}

const FIRST_PAUSE_MS = 50;
/**
 * The last attempt starts at most this long after the first one. After a timeout of 10 s there is no other
 * one.
 */
const RETRY_WITHIN_MS = 2000;

/**
 * Removes a record, and tries again if the store fails. A connection can break after the store has removed
 * the record and before it has responded. The time is short, because a user waits.
 *
 * @throws the error of the last attempt
 */
export async function removeWithRetry(records: RecordStore, key: string): Promise<Removal> {
  const endsAt = performance.now() + RETRY_WITHIN_MS;
  let isRepeated = false;
  for (let waitMs = FIRST_PAUSE_MS; ; waitMs *= 2) {
    try {
      return { removed: await records.remove(key), isRepeated };
    } catch (error) {
      if (performance.now() + waitMs >= endsAt) throw error;
      isRepeated = true;
      await pause(waitMs);
    }
  }
}
