import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "./packed.js";
import { run } from "./run.js";

const TYPEDOC = join(ROOT, "node_modules/typedoc/bin/typedoc");

/** Returns the warnings and errors of typedoc about the public entry points. */
async function findProblems(...more: string[]): Promise<string[]> {
  const options = [
    "--options",
    "lib/typedoc.json",
    "--emit",
    "none",
    "--disableGit",
    "--sourceLinkTemplate",
    "/{path}",
  ];
  const { stdout, stderr } = await run(process.execPath, [TYPEDOC, ...options, ...more], ROOT);
  return `${stdout}${stderr}`.split("\n").filter((line) => /warning|error/i.test(line));
}

test("the reference documents each entry point of the package", async () => {
  const { exports } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const built = Object.values<{ types?: string }>(exports).flatMap(({ types }) => types ?? []);
  const { entryPoints } = JSON.parse(await readFile(join(ROOT, "lib/typedoc.json"), "utf8"));
  expect(entryPoints).toEqual(built.map((path) => path.replace("./dist/", "./").replace(/\.d\.ts$/, ".ts")));
});

let problems: string[];
beforeAll(async () => {
  problems = await findProblems();
}, 120_000);

test("everything public is documented, and all links work", () => {
  expect(problems).toEqual([]);
});

test("typedoc reports what is not documented", async () => {
  const found = await findProblems(
    "--intentionallyNotExported",
    "none",
    "--requiredToBeDocumented",
    "Parameter",
  );
  expect(found).not.toEqual([]);
}, 120_000);
