import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { cleanEnvironment } from "../package/run.js";

const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const REPORTER = fileURLToPath(new URL("name-skips.ts", import.meta.url));
const OUTPUT = fileURLToPath(new URL("../output", import.meta.url)); // ignored by git, and below node_modules

const RUNS = `import { test } from "vitest"; test("runs", () => {});`;
const SKIPS = `${RUNS} test.skip("in a balloon (skipped: no balloon. To run it: buy one)", () => {});`;

test.each([
  ["passes", "on a laptop", SKIPS, "", 0],
  ["fails", "in CI", SKIPS, "true", 1],
  ["passes", "in CI if no test is skipped", RUNS, "true", 0],
])("a run with a skipped test %s %s", async (_outcome, _place, tests, CI, status) => {
  await mkdir(OUTPUT, { recursive: true });
  const root = await mkdtemp(join(OUTPUT, "skips-"));
  onTestFinished(() => rm(root, { recursive: true }));
  await writeFile(join(root, "some.test.js"), tests);
  await writeFile(
    join(root, "vitest.config.js"),
    `export default { test: { reporters: [${JSON.stringify(REPORTER)}] } }`,
  );

  const args = [VITEST, "run", "--root", root];
  const result = spawnSync(process.execPath, args, { env: cleanEnvironment({ CI }), encoding: "utf8" });
  expect(result.stdout).toBe(tests === SKIPS ? " Skipped 1 tests: no balloon. To run it: buy one\n" : "");
  expect(result.stderr).toBe(status === 1 ? " Failed: CI is set, and in CI no test may be skipped\n" : "");
  expect(result.status).toBe(status);
});
