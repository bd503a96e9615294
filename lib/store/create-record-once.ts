import type { RecordStore } from "./record-store.js";

/**
 * Creates a record, and returns whether this call has created it. Only one of several callers in all
 * processes succeeds.
 *
 * A client of Redis repeats a command if the connection was lost before the response. Then the store can
 * report an existing record that this call has created. The text identifies it.
 *
 * @param text unique to this call
 * @returns false if another caller has created the record
 */
export async function createRecordOnce(
  records: RecordStore,
  key: string,
  text: string,
  lifeMs: number,
): Promise<boolean> {
  if (await records.create(key, text, lifeMs)) return true;
  return (await records.read(key))?.text === text;
}
