import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findInstallProblem } from "./npm-can-install.js";
import { pack, ROOT } from "./packed.js";
import { createProject, type Project } from "./project.js";

const MINUTES = 60_000;
const getName = (path: string): string =>
  path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
const unique = (names: readonly string[]): string[] => [...new Set(names)].sort();

const list = (await readFile(new URL("production-dependencies.txt", import.meta.url), "utf8")).split("\n");
const listed = list.filter((line) => line && !line.startsWith("#")).map((line) => line.split(": "));
const names = listed.map(([name = ""]) => name);

test("each dependency is in the list once, in alphabetical order, with its reason", () => {
  expect(names).toEqual(unique(names));
  expect(listed.filter(([, reason]) => !reason)).toEqual([]);
});

test("the production dependencies of the lock file are exactly those in the list", async () => {
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8"));
  const entries = Object.entries<{ dev?: boolean; devOptional?: boolean }>(lock.packages);
  const production = entries.filter(([path, { dev, devOptional }]) => path && !dev && !devOptional);
  expect(unique(production.map(([path]) => getName(path)))).toEqual(names);
});

const skipReason = await findInstallProblem();

describe.skipIf(skipReason)(`an installation${skipReason ? ` (${skipReason})` : ""}`, () => {
  let project: Project;
  beforeAll(async () => {
    const packed = await pack();
    project = await createProject();
    await project.install("--legacy-peer-deps", packed.tarball); // without Express, which the app installs
  }, 3 * MINUTES);
  afterAll(() => project?.remove());

  test("contains exactly the packages in the list", async () => {
    const lock = JSON.parse(await project.read("node_modules/.package-lock.json"));
    const installed = unique(Object.keys(lock.packages).map(getName));
    expect(installed).toEqual(unique([...names, "express-portal-auth"]));
  });

  test("runs no install scripts", async () => {
    const lock = JSON.parse(await project.read("node_modules/.package-lock.json"));
    const entries = Object.entries<{ hasInstallScript?: boolean }>(lock.packages);
    expect(entries.filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
  });
});
