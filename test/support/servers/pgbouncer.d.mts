/**
 * Why tests with pgbouncer are skipped on this machine, and how to run them. "" where they run. In CI they
 * must run.
 */
export const noPgbouncer: string;

/**
 * A pgbouncer in transaction mode on a free port of 127.0.0.1. It ends with this process at the latest, and
 * leaves nothing behind.
 */
export interface PgbouncerServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a pgbouncer in front of the PostgreSQL at this port of 127.0.0.1. */
export function startPgbouncer(postgresPort: number): Promise<PgbouncerServer>;
