import { defineConfig } from "vitest/config";
import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";
import tests from "../vitest.config.js";

/** Folders and files of test/, from run.mjs. */
const testPaths = (process.env["MUTATION_TESTS"] ?? "").split(",");

/**
 * Runs the tests that fail most likely first, because a mutant needs no further test after the first failure.
 */
class LikelyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const rank = ({ moduleId }: TestSpecification) =>
      testPaths.findIndex((path) => moduleId.includes(`/test/${path}`));
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

// Only tests that run lib/ in their own process can notice a mutant. Child processes run the build without
// mutants.
export default defineConfig({
  ...tests,
  test: {
    ...tests.test,
    globalSetup: [],
    reporters: ["default"],
    include: testPaths.map((path) => `test/${path.endsWith(".ts") ? path : `${path}/**/*.test.ts`}`),
    exclude: ["test/session/processes.test.ts"],
    sequence: { sequencer: LikelyFirst },
  },
});
