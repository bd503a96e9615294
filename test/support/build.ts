import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** A folder for the package as it is packed: see ../package/packed.ts. */
    packing: string;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** The projects that tests run as built. The example is built against the built package. */
const PROJECTS = ["lib", "example-app"];
const BUILD_INFO = { lib: "dist/.tsbuildinfo", "example-app": "example-app/dist/.tsbuildinfo" };

/**
 * Builds the package and the example before any test, if the chosen tests need that and sources have changed.
 */
export default async function build(project: TestProject): Promise<() => Promise<void>> {
  if (await isBuildNeeded(project)) buildAll();
  const packing = await mkdtemp(join(tmpdir(), "express-portal-auth-pack-"));
  project.provide("packing", packing);
  return () => rm(packing, { recursive: true, force: true });
}

function buildAll(): void {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  for (const one of PROJECTS)
    execFileSync(process.execPath, [tsc, "-p", one], { cwd: root, stdio: "inherit" });
}

async function isBuildNeeded(project: TestProject): Promise<boolean> {
  if (isUpToDate()) return false;
  const { filenamePattern } = project.vitest as { filenamePattern?: string[] };
  const { testFiles } = await project.globTestFiles(filenamePattern);
  const seen = new Set<string>();
  return testFiles.some((file) => mentionsBuild(file, seen));
}

/** Returns whether no source is newer than the last build. */
function isUpToDate(): boolean {
  const newest = Math.max(...sources().map(modified));
  return Object.values(BUILD_INFO).every((path) => modified(join(root, path)) > newest);
}

function sources(): string[] {
  const paths = PROJECTS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((path) => join(root, folder, String(path))),
  );
  return [...paths.filter(isSource), ...["tsconfig.json", "package.json"].map((path) => join(root, path))];
}

const isSource = (path: string): boolean =>
  /(?<!\.d)\.ts$|tsconfig\.json$/.test(path) && !path.includes("/dist/");

/** Returns when a file was last modified, in epoch milliseconds; 0 for a file that does not exist. */
const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** Programs of their own run what is built: they are .mjs files, or started by npm, or the example app. */
const BUILT = /\bdist\b|\.mjs\b|packed|example-app|\bnpm\b/;

/** Returns whether a test file, or a file of test/ that it imports, mentions something that is built. */
function mentionsBuild(file: string, seen: Set<string>): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  const text = readFileSync(file, "utf8");
  const imports = [...text.matchAll(/from "(\.[^"]+)\.js"/g)].map(([, path]) =>
    resolve(dirname(file), `${path}.ts`),
  );
  const code = text.replace(/^import .*"\.\/?.*$/gm, "");
  return (
    BUILT.test(code) ||
    imports.filter((path) => path.startsWith(join(root, "test"))).some((one) => mentionsBuild(one, seen))
  );
}
