import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Mutation testing: `npm run mutation`, or with what to mutate: `npm run mutation -- lib/callback/*.ts`. In a copy, since
// Stryker wants a newer Node than this package does, and nobody who only runs the tests shall have to install it.

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OUTPUT = join(ROOT, "test/output/mutation");
const STRYKER = ["@stryker-mutator/core@10.1.1", "@stryker-mutator/vitest-runner@10.1.1"];
const NODE = "24";

const copy = mkdtempSync(join(tmpdir(), "express-portal-auth-mutation-"));
const run = (command, args) => execFileSync(command, args, { cwd: copy, stdio: "inherit" });

try {
  const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  for (const file of files.split("\n").filter((name) => name && existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(ROOT, file), join(copy, file));
  }
  if (existsSync(OUTPUT)) cpSync(OUTPUT, join(copy, "test/output/mutation"), { recursive: true }); // what is known already
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  run("npm", [
    "install",
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--loglevel=error",
    "--engine-strict=false",
    ...STRYKER,
  ]);
  run("npm", ["run", "build", "--silent"]);
  const mutate = process.argv.slice(2);
  const args = [
    "run",
    "test/mutation/stryker.config.json",
    ...(mutate.length > 0 ? ["--mutate", mutate.join(",")] : []),
  ];
  const stryker = "node_modules/@stryker-mutator/core/bin/stryker.js";
  const { status } = spawnSync("npx", ["--yes", "-p", `node@${NODE}`, "node", stryker, ...args], {
    cwd: copy,
    stdio: "inherit",
  });
  const made = join(copy, "test/output/mutation");
  rmSync(join(made, "sandboxes"), { recursive: true, force: true });
  if (existsSync(made)) cpSync(made, OUTPUT, { recursive: true });
  process.exitCode = status ?? 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
