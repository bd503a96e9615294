import { defineConfig } from "vitest/config";
import tests from "../vitest.config.js";

// The tests that can notice a mutant: those that run lib/ in their own process. Children run what was built before.

export default defineConfig({
  ...tests,
  test: {
    ...tests.test,
    env: { HOST_IN_PROCESS: "1" },
    globalSetup: [],
    reporters: ["default"],
    include: [
      "test/*.test.ts",
      "test/{access,answer,callback,guard,login,logout,portal,session}/**/*.test.ts",
      "test/hostile/*.test.ts",
    ],
    exclude: ["test/session/processes.test.ts", "test/{start,journey,readme}.test.ts", "test/hostile/age.test.ts"],
  },
});
