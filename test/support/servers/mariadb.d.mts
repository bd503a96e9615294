/**
 * Why tests with MariaDB are skipped on this machine, and how to run them. "" where they run. In CI they must
 * run.
 */
export const noMariadb: string;

/**
 * A MariaDB without databases and without users, on a free port of 127.0.0.1. It is fast rather than safe. It
 * ends with this process at the latest, and leaves nothing behind.
 */
export interface MariadbServer {
  /** The URL without the name of a database. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Its data and its unix socket. stop() removes it. */
  readonly folder: string;
  /** Suspends the server: it accepts connections but does not respond. */
  pause(): void;
  resume(): void;
  /** Stops the server, even a suspended one. */
  stop(): Promise<void>;
}

export function startMariadb(): Promise<MariadbServer>;
