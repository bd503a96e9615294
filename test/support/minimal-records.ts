import { setImmediate } from "node:timers/promises";
import type { RecordStore, StoredRecord } from "../../lib/store/record-store.js";

interface Row {
  text: string;
  version: number;
  endsAt: number;
}

/**
 * Creates an adapter that does only what an adapter must do. It uses a map in place of a database. Each call
 * waits for a turn of the event loop first, so other calls can run between two calls.
 */
export function createMinimalRecords(): RecordStore {
  const rows = new Map<string, Row>();
  const lists = new Map<string, Map<string, number>>();
  const find = (key: string): Row | undefined => {
    const row = rows.get(key);
    return row && row.endsAt > Date.now() ? row : undefined;
  };
  const toRecord = ({ text, version, endsAt }: Row): StoredRecord => ({
    text,
    version,
    lifeMs: endsAt - Date.now(),
  });
  return {
    async read(key) {
      await setImmediate();
      const row = find(key);
      return row && toRecord(row);
    },
    async create(key, text, lifeMs) {
      await setImmediate();
      if (find(key)) return false;
      rows.set(key, { text, version: 1, endsAt: Date.now() + lifeMs });
      return true;
    },
    async replace(key, version, text, lifeMs) {
      await setImmediate();
      const row = find(key);
      if (row?.version !== version) return false;
      const endsAt = lifeMs === undefined ? row.endsAt : Date.now() + lifeMs;
      rows.set(key, { text, version: version + 1, endsAt });
      return true;
    },
    async touch(key, lifeMs) {
      await setImmediate();
      const row = find(key);
      if (row) row.endsAt = Date.now() + lifeMs;
      return row !== undefined;
    },
    async remove(key, version) {
      await setImmediate();
      const row = find(key);
      if (!row || (version !== undefined && row.version !== version)) return undefined;
      rows.delete(key);
      return toRecord(row);
    },
    index: {
      async add(list, name, lifeMs) {
        await setImmediate();
        const names = lists.get(list) ?? new Map<string, number>();
        names.set(name, Math.max(names.get(name) ?? 0, Date.now() + lifeMs));
        lists.set(list, names);
      },
      async list(list) {
        await setImmediate();
        return [...(lists.get(list) ?? [])].filter(([, endsAt]) => endsAt > Date.now()).map(([name]) => name);
      },
      async remove(list, names) {
        await setImmediate();
        for (const name of names) lists.get(list)?.delete(name);
      },
    },
  };
}
