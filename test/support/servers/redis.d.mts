/**
 * Why tests with Redis are skipped on this machine, and how to run them. "" if they run. In CI they must run.
 */
export const noRedis: string;

/**
 * Starts a Redis on a free port of 127.0.0.1. It ends with this process at the latest, and leaves nothing
 * behind.
 */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** The process id, which changes with each restart. Undefined while it is killed. */
  readonly pid: number | undefined;
  /** The folder with its data. stop() removes it. */
  readonly folder: string;
  /** Suspends the server: it accepts connections but does not respond. */
  pause(): void;
  resume(): void;
  /** Ends the server like a crash: connections are closed, and new ones are refused. */
  kill(): Promise<void>;
  /** Starts the server again on the same port. It is empty unless it was started with `keep`. */
  restart(): Promise<void>;
  /** Stops the server, even a suspended or killed one. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Whether the data survives a restart. Default false. */
  keep?: boolean | undefined;
  /** More settings of redis.conf. A value with spaces is passed as several arguments. */
  settings?: Readonly<Record<string, string | number>> | undefined;
}

export function startRedis(options?: RedisOptions): Promise<RedisServer>;
