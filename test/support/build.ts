import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    /** A folder for the package as it is packed: see ../package/packed.ts. */
    packing: string;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds the package and the example once, before any test: several tests run what is built, at the same time. */
export default async function build(project: TestProject): Promise<() => Promise<void>> {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  for (const one of ["lib", "example-app"])
    execFileSync(process.execPath, [tsc, "-p", one], { cwd: root, stdio: "inherit" });
  const packing = await mkdtemp(join(tmpdir(), "express-portal-auth-pack-"));
  project.provide("packing", packing);
  return () => rm(packing, { recursive: true, force: true });
}
