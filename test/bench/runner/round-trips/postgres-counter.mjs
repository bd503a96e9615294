import pg from "pg";
import { untilSilent } from "./silence.mjs";

/** A Pool that remembers the statements that it was asked for. */
export class CountingPool extends pg.Pool {
  statements = [];

  query(...given) {
    if (!isSweep(given[0])) this.statements.push(given[0]);
    return super.query(...given);
  }
}

/** Expired rows are deleted once a minute, by whichever write comes then. */
const isSweep = (statement) => statement.includes("ctid");

/** Counts the statements of some work. */
export async function countAtPool(pool, work) {
  pool.statements = [];
  await work();
  await untilSilent(pool.statements);
  const reads = pool.statements.filter((statement) => /^\s*SELECT/.test(statement)).length;
  return { reads, writes: pool.statements.length - reads, appsReads: 0, appsWrites: 0, inside: 0 };
}
