import type { SpawnOptions } from "node:child_process";

export interface Launched {
  readonly pid: number | undefined;
  runs(): boolean;
  /** Resolves when the server has ended. */
  readonly exited: Promise<unknown>;
  /** Calls `end` and waits until the server has ended. */
  stop(): Promise<void>;
  /** Returns the last part of its output. */
  output(): string;
}

/**
 * Starts a server and waits until it reports that it is ready. `end` is called when this process ends, at the
 * latest.
 */
export function launch(
  program: string,
  args: readonly string[],
  options: SpawnOptions & { readonly ready: RegExp; end(pid: number): void },
): Promise<Launched>;
