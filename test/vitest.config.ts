import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: here(".."),
  resolve: {
    alias: {
      "express-portal-auth/inspector": here("../lib/inspector/index.ts"),
      "express-portal-auth/testing": here("../lib/testing/index.ts"),
      "express-portal-auth": here("../lib/index.ts"),
    },
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/output/**"],
    reporters: ["default", here("support/name-skips.ts")],
    globalSetup: ["test/support/build.ts"],
    maxWorkers: "100%", // they wait for processes more than they compute
    testTimeout: 20_000,
    hookTimeout: 120_000,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
