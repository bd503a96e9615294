import type { SpawnOptions } from "node:child_process";

export interface Launched {
  readonly pid: number | undefined;
  runs(): boolean;
  /** Settled when it has ended. */
  readonly exited: Promise<unknown>;
  /** Ends it by `end`, and waits until it has ended. */
  stop(): Promise<void>;
  /** What it has said so far, the last of it. */
  output(): string;
}

/** Starts a server and waits until it says that it is ready; it ends with this process at the latest, by `end`. */
export function launch(
  program: string,
  args: readonly string[],
  options: SpawnOptions & { readonly ready: RegExp; end(pid: number): void },
): Promise<Launched>;
