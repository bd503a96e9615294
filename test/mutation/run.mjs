import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Mutation testing: `npm run mutation`, or for some rooms only: `npm run mutation -- callback guard`. It
// works in a copy, because Stryker needs a newer Node.js than this package. Developers who only run the tests
// do not need to install Stryker.

/**
 * The tests that run against the mutants of each room of lib/. The tests that fail most likely come first.
 */
const ROOMS = {
  callback: ["callback", "hooks", "login", "portal-auth.test.ts"],
  form: ["form"],
  guard: ["guard", "portal-auth.test.ts", "answer", "access/access-token.test.ts"],
  login: ["login", "callback", "portal-auth.test.ts"],
  logout: ["logout", "login/silent-login.test.ts"],
  provider: [
    "provider",
    "access/refresh-login.test.ts",
    "access/get-user-info.test.ts",
    "logout",
    "login",
    "callback/callback.test.ts",
  ],
  proxy: ["proxy"],
  session: [
    "session",
    "portal-auth.test.ts",
    "logout",
    "hostile/properties/sessions.test.ts",
    "hostile/properties/encrypted-values.test.ts",
    "access",
    "callback",
    "login",
    "guard",
  ],
};

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const OUTPUT = join(ROOT, "test/output/mutation");
const STRYKER = ["@stryker-mutator/core@10.1.1", "@stryker-mutator/vitest-runner@10.1.1"];
const NODE = "24";

const CONFIG = {
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false },
  ignoreStatic: true, // tables and limits are read once, so each of their mutants would need all tests
  timeoutMS: 20_000,
  reporters: ["clear-text", "html", "json", "progress-append-only"],
  clearTextReporter: { logTests: false, allowColor: false },
  incremental: true, // mutants whose code and tests have not changed keep their result
  disableTypeChecks: true,
};

const chosen = process.argv.slice(2);
const unknown = chosen.find((room) => !Object.hasOwn(ROOMS, room));
if (unknown !== undefined) {
  console.error(`There is no room ${unknown}. Choose from ${Object.keys(ROOMS).join(", ")}.`);
  process.exit(1);
}
const missing = [
  ...Object.keys(ROOMS).map((room) => `lib/${room}`),
  ...Object.values(ROOMS).flatMap((tests) => tests.map((test) => `test/${test}`)),
].find((path) => !existsSync(join(ROOT, path)));
if (missing !== undefined) {
  console.error(`${missing} does not exist. Correct ROOMS in test/mutation/run.mjs.`);
  process.exit(1);
}

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
  const earlierResults = join(copy, "test/output/mutation");
  if (existsSync(OUTPUT)) cpSync(OUTPUT, earlierResults, { recursive: true });
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
  for (const room of chosen.length > 0 ? chosen : Object.keys(ROOMS)) mutate(room);
} finally {
  rmSync(copy, { recursive: true, force: true });
}

function mutate(room) {
  console.log(`\n== lib/${room}`);
  const report = join("test/output/mutation", room);
  const env = { ...process.env, MUTATION_TESTS: ROOMS[room].join(",") };
  const files = {
    htmlReporter: { fileName: join(report, "report.html") },
    jsonReporter: { fileName: join(report, "report.json") },
  };
  const config = {
    ...CONFIG,
    ...files,
    mutate: [`lib/${room}/**/*.ts`],
    incrementalFile: join(report, "known.json"),
  };
  writeFileSync(join(copy, "stryker.config.json"), JSON.stringify(config));
  const program = "node_modules/@stryker-mutator/core/bin/stryker.js";
  const { status } = spawnSync("npx", ["--yes", "-p", `node@${NODE}`, "node", program, "run"], {
    cwd: copy,
    env,
    stdio: "inherit",
  });
  if (existsSync(join(copy, report))) cpSync(join(copy, report), join(OUTPUT, room), { recursive: true });
  if (status !== 0) process.exitCode = 1;
}
