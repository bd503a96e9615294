/**
 * Why tests with PostgreSQL are skipped on this machine, and how to run them. "" if they run. In CI they must
 * run.
 */
export const noPostgres: string;

/**
 * Starts an empty PostgreSQL on a free port of 127.0.0.1. It does not wait for the disk. It ends with this
 * process at the latest, and leaves nothing behind.
 */
export interface PostgresServer {
  /** The URL with the superuser, who needs no password. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** The folder with its data and its Unix socket. stop() removes it. */
  readonly folder: string;
  /** Suspends all its processes: it accepts connections but does not respond. */
  pause(): void;
  resume(): void;
  /** Stops the server, even a suspended one. */
  stop(): Promise<void>;
}

export function startPostgres(): Promise<PostgresServer>;
