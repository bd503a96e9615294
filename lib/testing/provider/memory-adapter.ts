import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";

/** More than a long test run needs, or a day with the example app. */
const MAX_ENTRIES = 50_000;

/**
 * Creates the storage of oidc-provider, in memory. Its own memory adapter prints a warning at each start, and
 * stores 1000 entries at most, which is not enough for a load test. oidc-provider itself checks the expiry of
 * entries.
 */
export function createMemoryAdapter(): AdapterFactory {
  const store = new Map<string, AdapterPayload>();

  return function adapter(model): Adapter {
    const keyOf = (id: string): string => `${model}:${id}`;
    const entriesOfModel = function* (): Generator<[string, AdapterPayload]> {
      for (const entry of store) if (entry[0].startsWith(`${model}:`)) yield entry;
    };
    const findBy = async (member: "uid" | "userCode", value: string): Promise<AdapterPayload | undefined> => {
      for (const [, payload] of entriesOfModel()) if (payload[member] === value) return payload;
      return undefined;
    };

    return {
      async upsert(id, payload) {
        store.delete(keyOf(id)); // Moves the entry to the end, where the newest entries are.
        store.set(keyOf(id), payload);
        if (store.size > MAX_ENTRIES) removeOldEntries(store);
      },
      find: async (id) => store.get(keyOf(id)),
      findByUid: (uid) => findBy("uid", uid),
      findByUserCode: (userCode) => findBy("userCode", userCode),
      async consume(id) {
        const payload = store.get(keyOf(id));
        if (payload) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async destroy(id) {
        store.delete(keyOf(id));
      },
      async revokeByGrantId(grantId) {
        for (const [key, payload] of entriesOfModel()) if (payload.grantId === grantId) store.delete(key);
      },
    };
  };
}

/** Removes expired entries, then the oldest ones, until 90% of the entries or fewer are left. */
function removeOldEntries(store: Map<string, AdapterPayload>): void {
  const now = Date.now() / 1000;
  for (const [key, { exp }] of store) if (exp !== undefined && exp < now) store.delete(key);
  for (const oldest of store.keys()) {
    if (store.size <= MAX_ENTRIES * 0.9) break;
    store.delete(oldest);
  }
}
