import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

// `npm run hostile` runs the hostile suite longer, with other random input each time. Variables of the
// environment override these values.

const defaults = { HOSTILE_SECONDS: "600", HOSTILE_RUNS: "20", HOSTILE_SEED: "random" };
const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const args = ["run", "--config", "test/vitest.config.ts", "test/hostile", ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, [vitest, ...args], {
  env: { ...defaults, ...process.env },
  stdio: "inherit",
});
process.exitCode = status ?? 1;
