import type { Adapter, AdapterFactory, AdapterPayload } from "oidc-provider";

/** More than a long test run or a day of trying out the example needs. */
const MAX_ENTRIES = 50_000;

/**
 * All that the provider remembers. Its own store does the same, but warns on the console at each start and forgets
 * after a thousand entries, which one load test fills. Expiry is the provider's business: it looks at `exp` itself.
 */
export function createMemoryAdapter(): AdapterFactory {
  const store = new Map<string, AdapterPayload>();

  return function adapter(model): Adapter {
    const keyOf = (id: string): string => `${model}:${id}`;
    const ofThisModel = function* (): Generator<[string, AdapterPayload]> {
      for (const entry of store) if (entry[0].startsWith(`${model}:`)) yield entry;
    };
    const findBy = async (member: "uid" | "userCode", value: string): Promise<AdapterPayload | undefined> => {
      for (const [, payload] of ofThisModel()) if (payload[member] === value) return payload;
      return undefined;
    };

    return {
      async upsert(id, payload) {
        store.delete(keyOf(id)); // so that what is written anew counts as young
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
        for (const [key, payload] of ofThisModel()) if (payload.grantId === grantId) store.delete(key);
      },
    };
  };
}

/** What has ended goes first, and a tenth at least, so that this is seldom needed: a login outlives thousands of its tokens. */
function removeOldEntries(store: Map<string, AdapterPayload>): void {
  const now = Date.now() / 1000;
  for (const [key, { exp }] of store) if (exp !== undefined && exp < now) store.delete(key);
  for (const oldest of store.keys()) {
    if (store.size <= MAX_ENTRIES * 0.9) break;
    store.delete(oldest);
  }
}
