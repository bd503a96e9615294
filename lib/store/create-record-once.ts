import type { RecordStore } from "./record-store.js";

/**
 * Creates a record, and tells whether this call has created it. Only one of several callers succeeds, in
 * whichever process. A client of Redis sends a command again if the connection was lost before the answer. So
 * the store may say that there is a record already, and it is ours: the text shows that.
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
