import type { LoginRecord } from "../../lib/session/login-record.js";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";

/** A store in memory whose content and calls tests can read. */
export interface ObservedStore extends EntryStore {
  /** Returns the login records that are stored now, also those beside an application's session. */
  logins(): Promise<LoginRecord[]>;
  /** Returns the keys that start with this text and have a value. */
  keys(prefix: string): Promise<string[]>;
  /**
   * Returns the names of the methods that were called since the last call of this function. Names of methods
   * for lists begin with `index.`.
   */
  calls(): string[];
  /** Changes a stored login like another process. */
  changeLogin(loginId: string | undefined, change: (record: LoginRecord) => LoginRecord): Promise<void>;
  /** Lets these methods reject from now on. Without names, all methods reject. */
  fail(...methods: string[]): void;
  /** Lets all methods work again. */
  recover(): void;
}

const isLoginOrSession = (key: string): boolean => key.startsWith("s:") || key.startsWith("l:");

/** Creates a store in memory for the option `store`, and observes it. */
export function observedStore(clock?: () => number): ObservedStore {
  const inner = createMemoryStore(clock);
  const used = new Set<string>();
  let calls: string[] = [];
  let isFailing = (_name: string): boolean => false;
  const observe = <T extends object>(target: T, prefix: string, onCall: (first: unknown) => void): T =>
    new Proxy(target, {
      get(store, name) {
        const value = Reflect.get(store, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const method = `${prefix}${String(name)}`;
          calls.push(method);
          if (isFailing(method)) throw new Error("the store is unreachable");
          onCall(args[0]);
          return value.apply(store, args);
        };
      },
    });
  const own: Omit<ObservedStore, keyof EntryStore> = {
    async logins() {
      const stored = await readAll(isLoginOrSession);
      return stored.flatMap(({ record }) => (record ? [JSON.parse(record.text) as LoginRecord] : []));
    },
    async keys(prefix) {
      const stored = await readAll((key) => key.startsWith(prefix));
      return stored.map(({ key }) => key);
    },
    calls() {
      const recordedCalls = calls;
      calls = [];
      return recordedCalls;
    },
    async changeLogin(loginId, change) {
      for (const { key, record } of await readAll(isLoginOrSession)) {
        if (!record) continue;
        const login = JSON.parse(record.text) as LoginRecord;
        if (login.login_id === loginId)
          await inner.replace(key, record.version, JSON.stringify(change(login)));
      }
    },
    fail(...methods) {
      isFailing = (name) => methods.length === 0 || methods.includes(name);
    },
    recover() {
      isFailing = () => false;
    },
  };
  const index = observe(inner.index, "index.", () => {});
  const observed = observe(inner, "", (key) => used.add(String(key)));
  return new Proxy(observed, {
    get(store, name) {
      if (name === "index") return index;
      return Reflect.get(Object.hasOwn(own, name) ? own : store, name);
    },
    has: (store, name) => Reflect.has(store, name),
  }) as ObservedStore;

  async function readAll(isSelected: (key: string) => boolean) {
    const stored = await Promise.all(
      [...used].filter(isSelected).map(async (key) => ({ key, entry: await inner.readEntry(key) })),
    );
    return stored.flatMap(({ key, entry }) => (entry ? [{ key, record: entry.record }] : []));
  }
}
