import { createClient } from "redis";
import { startPostgres } from "../../../support/servers/postgres.mjs";
import { startRedis } from "../../../support/servers/redis.mjs";
import { createRedisStore } from "../../programs/redis-store.mjs";
import { CountingPool, countAtPool } from "./postgres-counter.mjs";
import { countAtRedis } from "./redis-counter.mjs";

/**
 * Starts a Redis. `store` is the option of portalAuth() and createStore(). `addSessions` adds copies of a
 * session for other users. `age` changes a record as if its last request were earlier.
 */
export async function startRedisStore() {
  const server = await startRedis();
  const client = await createClient({ url: server.url }).connect();
  return {
    store: server.url,
    createAppStore: () => createRedisStore(server.url),
    count: (work) => countAtRedis(server.port, work),
    async addSessions(key, from, to) {
      const keys = [`portal:${key}`, "portal:list:u:other-"];
      await client.eval(COPY, { keys, arguments: [String(from), String(to)] });
    },
    async age(key, milliseconds) {
      await client.pExpire(`portal:${key}`, (await client.pTTL(`portal:${key}`)) - milliseconds);
    },
    countSessions: async () => (await client.keys("portal:s:*")).length,
    async stop() {
      await client.close();
      await server.stop();
    },
  };
}

const COPY = `
for n = ARGV[1] + 0, ARGV[2] - 1 do
  redis.call("COPY", KEYS[1], "portal:s:other-" .. n)
  redis.call("ZADD", KEYS[2] .. n, 9999999999999, "s:other-" .. n)
end`;

/** Starts a PostgreSQL, with the members of startRedisStore(). */
export async function startPostgresStore() {
  const server = await startPostgres();
  const pool = new CountingPool({ connectionString: server.url });
  pool.on("error", () => {}); // the pool loses its connections when the server stops
  return {
    store: pool,
    count: (work) => countAtPool(pool, work),
    async addSessions(key, from, to) {
      const numbers = `generate_series(${from}, ${to - 1}) AS n`;
      await pool.query(
        `INSERT INTO portal_session SELECT 's:other-' || n, app, record, version, ends_at
         FROM portal_session, ${numbers} WHERE key = $1`,
        [key],
      );
      await pool.query(
        `INSERT INTO portal_session_index
         SELECT 'u:other-' || n, 's:other-' || n, now() + interval '1 day' FROM ${numbers}`,
      );
    },
    async age(key, milliseconds) {
      const statement =
        "UPDATE portal_session SET ends_at = ends_at - $2 * interval '1 millisecond' WHERE key = $1";
      await pool.query(statement, [key, milliseconds]);
    },
    async countSessions() {
      const { rows } = await pool.query(
        "SELECT count(*)::int AS count FROM portal_session WHERE key LIKE 's:%'",
      );
      return rows[0].count;
    },
    async stop() {
      await pool.end();
      await server.stop();
    },
  };
}
