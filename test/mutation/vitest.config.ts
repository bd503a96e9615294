import { defineConfig } from "vitest/config";
import type { TestSpecification } from "vitest/node";
import { BaseSequencer } from "vitest/node";
import tests from "../vitest.config.js";

const places = (process.env["MUTATION_TESTS"] ?? "").split(",");

/** Those that are likely to notice first: a mutant that is found out needs no further test. */
class LikelyFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const rank = ({ moduleId }: TestSpecification) =>
      places.findIndex((place) => moduleId.includes(`/test/${place}`));
    return files.toSorted((a, b) => rank(a) - rank(b));
  }
}

// The tests that can notice a mutant: those that run lib/ in their own process. Children run what was built before.
export default defineConfig({
  ...tests,
  test: {
    ...tests.test,
    globalSetup: [],
    reporters: ["default"],
    include: places.map((place) => `test/${place.endsWith(".ts") ? place : `${place}/**/*.test.ts`}`),
    exclude: ["test/session/processes.test.ts"],
    sequence: { sequencer: LikelyFirst },
  },
});
