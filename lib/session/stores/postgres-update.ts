import type { Store } from "express-session";
import type { StoredSession } from "../stored.js";
import { optimisticUpdate, promised, type Update } from "../update.js";

/** What we use of connect-pg-simple. */
interface PostgresStore {
  query(text: string, values: unknown[], done: (error: unknown, firstRow?: Record<string, unknown>) => void): void;
  /** Its table, in quotes, with the schema where there is one. */
  quotedTable(): string;
  readonly ttl: number | undefined;
}

export function isPostgresStore(store: Store): boolean {
  const { query, quotedTable } = store as unknown as Partial<PostgresStore>;
  return typeof query === "function" && typeof quotedTable === "function";
}

const A_DAY_SECONDS = 24 * 60 * 60;

export function postgresUpdate(from: Store): Update {
  const store = from as unknown as PostgresStore;
  const table = store.quotedTable();
  const firstRow = (text: string, values: unknown[]) =>
    promised<Record<string, unknown>>((done) => store.query(text, values, done));
  const set = `UPDATE ${table} SET sess = $3, expire = to_timestamp($4) WHERE sid = $1 AND sess::text = $2 RETURNING sid`;
  // one that has ended lies there until it is swept away
  const add = `INSERT INTO ${table} AS there (sid, sess, expire) VALUES ($1, $2, to_timestamp($3))
    ON CONFLICT (sid) DO UPDATE SET sess = $2, expire = to_timestamp($3) WHERE there.expire < to_timestamp($4) RETURNING sid`;

  return optimisticUpdate({
    async read(id) {
      const select = `SELECT sess::text AS text FROM ${table} WHERE sid = $1 AND expire >= to_timestamp($2)`;
      const look = () => firstRow(select, [id, Math.ceil(Date.now() / 1000)]);
      const row = await look().catch((error) => (isWrittenByOthers(error) ? look() : Promise.reject(error)));
      const text = row?.["text"];
      return typeof text === "string" ? { text, session: JSON.parse(text) as StoredSession } : undefined;
    },
    async replace(id, text, next) {
      const row = await write(id, text, next).catch((error) =>
        isWrittenByOthers(error) ? undefined : Promise.reject(error),
      );
      return row !== undefined;
    },
  });

  function write(id: string, text: string | undefined, next: StoredSession | null) {
    if (!next) return firstRow(`DELETE FROM ${table} WHERE sid = $1 AND sess::text = $2 RETURNING sid`, [id, text]);
    const [value, end] = [JSON.stringify(next), endOf(store, next)];
    if (text === undefined) return firstRow(add, [id, value, end, Math.ceil(Date.now() / 1000)]);
    return firstRow(set, [id, text, value, end]);
  }
}

/**
 * How a database whose default isolation is stricter than `read committed` tells that somebody else has written:
 * serialization_failure and deadlock_detected.
 */
const isWrittenByOthers = (error: { code?: unknown } | undefined): boolean =>
  error?.code === "40001" || error?.code === "40P01";

/** In epoch seconds, as connect-pg-simple counts it when it writes a session itself. */
function endOf({ ttl }: PostgresStore, { cookie: { expires } }: StoredSession): number {
  const endsAt = expires ? new Date(expires).getTime() : Date.now() + (ttl || A_DAY_SECONDS) * 1000;
  return Math.ceil(endsAt / 1000);
}
