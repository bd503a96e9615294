/** Why tests with PostgreSQL are left out on this machine, and how to run them; "" where they run. In CI they must. */
export const noPostgres: string;

/**
 * A PostgreSQL of our own, empty, on a free port of 127.0.0.1. Fast rather than safe: nothing waits for a disk. Ends with
 * this process at the latest, and leaves nothing behind.
 */
export interface PostgresServer {
  /** With the user, who is its superuser and needs no password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Its data and its unix socket; gone after stop(). */
  readonly folder: string;
  /** All its processes: connections are taken, and nothing is answered. */
  pause(): void;
  resume(): void;
  /** For good; also when it is paused. */
  stop(): Promise<void>;
}

export function startPostgres(): Promise<PostgresServer>;
