// An adapter for MySQL and MariaDB. Its tables are in tables.sql.
import { setTimeout } from 'node:timers/promises';

const NOW = 'UTC_TIMESTAMP(6)'; // the clock of the database, in any time zone of the connection
const END = `${NOW} + INTERVAL ? MICROSECOND`;
const LIFETIME = `TIMESTAMPDIFF(MICROSECOND, ${NOW}, ends_at) / 1000 AS life`;
const NOT_EXPIRED = `ends_at > ${NOW}`;
const EXPIRED = `ends_at <= ${NOW}`;

const DUPLICATE_KEY = 1062;
const CONFLICTS = [1213, 1205]; // a deadlock, and a timeout of a lock
const RETRY_FOR_MS = 8000; // after 10 s the caller treats a call as failed
const SWEEP_INTERVAL_MS = 60_000;
const SWEEP_BATCH = 1000;

/** The option `store` of portalAuth(). It takes a pool of mysql2/promise. */
export class MysqlStore {
  #pool;
  #sweepAt = 0;

  constructor(pool) {
    this.#pool = pool;
  }

  async read(key) {
    const [row] = await this.#run(
      `SELECT text, version, ${LIFETIME} FROM portal_record WHERE id = ? AND ${NOT_EXPIRED}`,
      [key],
    );
    return toRecord(row);
  }

  // Only one of several simultaneous calls can insert the row. The DELETE removes only an expired row of the
  // same key.
  async create(key, text, lifeMs) {
    this.#sweep();
    await this.#run(`DELETE FROM portal_record WHERE id = ? AND ${EXPIRED}`, [key]);
    const insert = `INSERT INTO portal_record (id, text, version, ends_at) VALUES (?, ?, 1, ${END})`;
    try {
      await this.#run(insert, [key, text, microseconds(lifeMs)]);
      return true;
    } catch (error) {
      if (error.errno === DUPLICATE_KEY) return false;
      throw error;
    }
  }

  async replace(key, version, text, lifeMs) {
    const update = `UPDATE portal_record
      SET text = ?, version = version + 1, ends_at = COALESCE(${END}, ends_at)
      WHERE id = ? AND version = ? AND ${NOT_EXPIRED}`;
    const { affectedRows } = await this.#run(update, [text, microseconds(lifeMs), key, version]);
    return affectedRows === 1;
  }

  async touch(key, lifeMs) {
    const update = `UPDATE portal_record SET ends_at = ${END} WHERE id = ? AND ${NOT_EXPIRED}`;
    const { affectedRows } = await this.#run(update, [microseconds(lifeMs), key]);
    return affectedRows === 1; // also if the value stays the same, because mysql2 sets the flag FOUND_ROWS
  }

  // A transaction, because only MariaDB can return the row that a DELETE removes.
  remove(key, version) {
    const select = `SELECT text, version, ${LIFETIME} FROM portal_record
      WHERE id = ? AND version = COALESCE(?, version) AND ${NOT_EXPIRED} FOR UPDATE`;
    return inTransaction(this.#pool, async (connection) => {
      const [[row]] = await connection.execute(select, [key, version ?? null]);
      if (row) await connection.execute('DELETE FROM portal_record WHERE id = ?', [key]);
      return toRecord(row);
    });
  }

  index = {
    add: async (list, name, lifeMs) => {
      this.#sweep();
      const insert = `INSERT INTO portal_record_index (list, name, ends_at) VALUES (?, ?, ${END})
        ON DUPLICATE KEY UPDATE ends_at = GREATEST(ends_at, ${END})`;
      await this.#run(insert, [list, name, microseconds(lifeMs), microseconds(lifeMs)]);
    },
    list: async (list) => {
      const rows = await this.#run(`SELECT name FROM portal_record_index WHERE list = ? AND ${NOT_EXPIRED}`, [
        list,
      ]);
      return rows.map(({ name }) => name.toString());
    },
    remove: async (list, names) => {
      if (names.length === 0) return;
      // mysql2 writes a Buffer as hexadecimal bytes
      const values = [Buffer.from(list), names.map((name) => Buffer.from(name))];
      const statement = 'DELETE FROM portal_record_index WHERE list = ? AND name IN (?)';
      await withRetries(() => this.#pool.query(statement, values));
    },
  };

  async #run(sql, values = []) {
    const [result] = await withRetries(() => this.#pool.execute(sql, values));
    return result;
  }

  /** Deletes expired rows, at most once a minute. No method finds them, but they take space. */
  async #sweep() {
    if (performance.now() < this.#sweepAt) return;
    this.#sweepAt = performance.now() + SWEEP_INTERVAL_MS;
    for (const table of ['portal_record', 'portal_record_index']) {
      const remove = () => this.#run(`DELETE FROM ${table} WHERE ${EXPIRED} LIMIT ${SWEEP_BATCH}`);
      // If a sweep fails, the next minute repeats it.
      while ((await remove().catch(() => ({}))).affectedRows === SWEEP_BATCH);
    }
  }
}

const microseconds = (ms) => (ms === undefined ? null : Math.round(ms * 1000));

const toRecord = (row) => row && { text: row.text, version: Number(row.version), lifeMs: Number(row.life) };

/** Repeats a statement or transaction that the database has rolled back because of another one. */
async function withRetries(work) {
  const giveUpAt = performance.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!CONFLICTS.includes(error.errno) || performance.now() > giveUpAt) throw error;
    }
    await setTimeout(Math.random() * 20);
  }
}

const inTransaction = (pool, work) =>
  withRetries(async () => {
    const connection = await pool.getConnection();
    try {
      await connection.beginTransaction();
      const result = await work(connection);
      await connection.commit();
      connection.release();
      return result;
    } catch (error) {
      connection.destroy(); // also ends the transaction
      throw error;
    }
  });
