import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

// Mutation testing: `npm run mutation`, or with the rooms to mutate: `npm run mutation -- callback guard`. In a copy, since
// Stryker wants a newer Node than this package does, and nobody who only runs the tests shall have to install it.

/** The tests that are asked whether they notice a mutant of a room, those that are likely to first. */
const ROOMS = {
  callback: ["callback", "hooks.test.ts", "login", "portal-auth.test.ts"],
  form: ["form"],
  guard: ["guard", "portal-auth.test.ts", "answer", "access/access-token.test.ts"],
  login: ["login", "callback", "portal-auth.test.ts"],
  logout: ["logout", "session/persons", "login/silent.test.ts"],
  portal: [
    "portal",
    "access/renew.test.ts",
    "access/user-info.test.ts",
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
  ignoreStatic: true, // tables and limits, which are read once: for each of them all tests would have to run
  timeoutMS: 20_000,
  reporters: ["clear-text", "html", "json", "progress-append-only"],
  clearTextReporter: { logTests: false, allowColor: false },
  incremental: true, // what was found before, and has not changed, is not tried again
  disableTypeChecks: true,
};

const wished = process.argv.slice(2);
const unknown = wished.find((room) => !Object.hasOwn(ROOMS, room));
if (unknown !== undefined) {
  console.error(`There is no room ${unknown}: name some of ${Object.keys(ROOMS).join(", ")}.`);
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
  for (const room of wished.length > 0 ? wished : Object.keys(ROOMS)) mutate(room);
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
