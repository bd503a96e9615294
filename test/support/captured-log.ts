import { AsyncLocalStorage } from "node:async_hooks";
import { vi } from "vitest";

export interface CapturedLog {
  /** The lines that were written to the console. */
  readonly lines: string[];
  /**
   * Runs the work. A line that it writes belongs to this log, also if it writes the line in the next test.
   */
  capture<T>(work: () => T): T;
}

const linesOfWork = new AsyncLocalStorage<string[]>();

/**
 * Captures what is written to the console, until the test ends. Background work of an earlier test does not
 * write into this log, if that test has started the work with `capture`.
 */
export function captureLog(): CapturedLog {
  const lines: string[] = [];
  for (const level of ["log", "warn", "error"] as const) {
    vi.spyOn(console, level).mockImplementation((...values: unknown[]) => {
      const target = linesOfWork.getStore() ?? lines;
      target.push(values.map(String).join(" "));
    });
  }
  return { lines, capture: (work) => linesOfWork.run(lines, work) };
}
