import type { Reporter, TestModule, Vitest } from "vitest/node";

/**
 * Lists at the end the tests that this machine skipped, and how to enable them: the name of a skipped test
 * contains that. In CI, a skipped test fails the run.
 */
export default class NameSkips implements Reporter {
  #isPart = false;

  /** Whether all tests were requested: with a filter by name, the others are skipped on purpose. */
  onInit(vitest: Pick<Vitest, "config">): void {
    this.#isPart = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (this.#isPart) return;
    const reasons = new Map<string, number>();
    for (const module of modules)
      for (const test of module.children.allTests("skipped")) {
        const reason = /\(skipped: (.+?)\)/.exec(test.fullName)?.[1] ?? test.fullName;
        reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      }
    for (const [reason, count] of reasons) console.log(` Skipped ${count} tests: ${reason}`);
    if (reasons.size > 0 && process.env["CI"]) {
      console.error(" Failed: CI is set, and in CI no test may be skipped");
      process.exitCode = 1;
    }
  }
}
