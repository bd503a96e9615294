import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT } from "./packed.js";
import { run } from "./run.js";

const TYPEDOC = join(ROOT, "node_modules/typedoc/bin/typedoc");

/** What typedoc has to say of the public entry points, line by line. */
async function complaints(...more: string[]): Promise<string[]> {
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

test("the reference is of each entry point that the package has", async () => {
  const { exports } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const built = Object.values<{ types?: string }>(exports).flatMap(({ types }) => types ?? []);
  const { entryPoints } = JSON.parse(await readFile(join(ROOT, "lib/typedoc.json"), "utf8"));
  expect(entryPoints).toEqual(built.map((path) => path.replace("./dist/", "./").replace(/\.d\.ts$/, ".ts")));
});

let said: string[];
beforeAll(async () => {
  said = await complaints();
}, 120_000);

test("whatever is public is documented, in whole sentences that lead somewhere", () => {
  expect(said).toEqual([]);
});

test("typedoc would say what is not", async () => {
  const all = await complaints("--intentionallyNotExported", "none", "--requiredToBeDocumented", "Parameter");
  expect(all).not.toEqual([]);
}, 120_000);
