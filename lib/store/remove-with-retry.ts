import { pause } from "../util/pause.js";
import type { RecordStore, StoredRecord } from "./record-store.js";

/** The outcome of a removal. */
export interface Removal {
  readonly removed: StoredRecord | undefined;
  /**
   * Whether an earlier try has failed. If nothing was removed then, that try may have removed the record: its
   * answer was lost.
   */
  readonly isRepeated: boolean;
}

const FIRST_PAUSE_MS = 50;
/** The last try begins at most so long after the first one. A store that is silent for 10 s is not asked again. */
const RETRY_WITHIN_MS = 2000;

/**
 * Removes a record. If the store fails, tries again: a connection can break after the store has removed the
 * record and before it has answered. A user waits for this.
 *
 * @throws what the store has thrown at the last try
 */
export async function removeWithRetry(records: RecordStore, key: string): Promise<Removal> {
  const giveUpAt = performance.now() + RETRY_WITHIN_MS;
  let isRepeated = false;
  for (let wait = FIRST_PAUSE_MS; ; wait *= 2) {
    try {
      return { removed: await records.remove(key), isRepeated };
    } catch (error) {
      if (performance.now() + wait >= giveUpAt) throw error;
      isRepeated = true;
      await pause(wait);
    }
  }
}
