/** Why tests with Redis are left out on this machine, and how to run them; "" where they run. In CI they must. */
export const noRedis: string;

/** A Redis of our own on a free port of 127.0.0.1. Ends with this process at the latest, and leaves nothing behind. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Another one after each restart; undefined while it is killed. */
  readonly pid: number | undefined;
  /** Where it keeps what it keeps; gone after stop(). */
  readonly folder: string;
  /** It takes connections and requests, and answers none of them. */
  pause(): void;
  resume(): void;
  /** At once, as by a crash: connections are cut, and refused from now on. */
  kill(): Promise<void>;
  /** On the same port, after a kill() or instead of it. Empty, unless it was started with `keep`. */
  restart(): Promise<void>;
  /** For good; also when it is paused or killed. */
  stop(): Promise<void>;
}

export interface RedisOptions {
  /** Whether everything that was written is there again after a restart. Default false. */
  keep?: boolean | undefined;
  /** More settings of redis.conf. A value with spaces is passed as several arguments. */
  settings?: Readonly<Record<string, string | number>> | undefined;
}

export function startRedis(options?: RedisOptions): Promise<RedisServer>;
