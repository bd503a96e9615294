import pg from "pg";
import { waitUntilSilent } from "./silence.mjs";

/** A Pool that records its statements. */
export class CountingPool extends pg.Pool {
  statements = [];

  query(...args) {
    if (!isSweep(args[0])) this.statements.push(args[0]);
    return super.query(...args);
  }
}

/** Once a minute a write also deletes expired rows. That statement does not belong to the request. */
const isSweep = (statement) => statement.includes("ctid");

/** Counts the statements of some work. */
export async function countAtPool(pool, work) {
  pool.statements = [];
  await work();
  await waitUntilSilent(pool.statements);
  const reads = pool.statements.filter((statement) => /^\s*SELECT/.test(statement)).length;
  const writes = pool.statements.length - reads;
  return { reads, writes, appReads: 0, appWrites: 0, scriptCommands: 0 };
}
