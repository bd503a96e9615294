import type { RecordIndex, RecordStore, StoredRecord } from "../../lib/store/record-store.js";

export interface Row {
  text: string;
  version: number;
  endsAt: number;
}

/** A correct adapter in memory whose data tests can reach, to break one of its methods. */
export class OpenRecords implements RecordStore {
  readonly rows = new Map<string, Row>();
  readonly lists = new Map<string, Map<string, number>>();
  now = 0;
  readonly index: RecordIndex = {
    add: async (list, name, lifeMs) => {
      const names = this.lists.get(list) ?? new Map<string, number>();
      this.lists.set(list, names.set(name, Math.max(names.get(name) ?? 0, this.now + lifeMs)));
    },
    list: async (list) =>
      [...(this.lists.get(list) ?? [])].filter(([, endsAt]) => endsAt > this.now).map(([name]) => name),
    remove: async (list, names) => {
      for (const name of names) this.lists.get(list)?.delete(name);
    },
  };

  find(key: string): Row | undefined {
    const row = this.rows.get(key);
    return row && row.endsAt > this.now ? row : undefined;
  }

  toRecord(row: Row | undefined): StoredRecord | undefined {
    return row && { text: row.text, version: row.version, lifeMs: row.endsAt - this.now };
  }

  put(key: string, text: string, version: number, lifeMs: number): true {
    this.rows.set(key, { text, version, endsAt: this.now + lifeMs });
    return true;
  }

  async read(key: string): Promise<StoredRecord | undefined> {
    return this.toRecord(this.find(key));
  }

  async create(key: string, text: string, lifeMs: number): Promise<boolean> {
    return !this.find(key) && this.put(key, text, 1, lifeMs);
  }

  async replace(key: string, version: number, text: string, lifeMs?: number): Promise<boolean> {
    const row = this.find(key);
    if (row?.version !== version) return false;
    return this.put(key, text, version + 1, lifeMs ?? row.endsAt - this.now);
  }

  async touch(key: string, lifeMs: number): Promise<boolean> {
    const row = this.find(key);
    return row !== undefined && this.put(key, row.text, row.version, lifeMs);
  }

  async remove(key: string, version?: number): Promise<StoredRecord | undefined> {
    const row = this.find(key);
    if (!row || (version !== undefined && row.version !== version)) return undefined;
    this.rows.delete(key);
    return this.toRecord(row);
  }
}
