import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds the package and the example once, before any test: several tests run what is built, at the same time. */
export default function build(): void {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  for (const project of ["lib", "example-app"])
    execFileSync(process.execPath, [tsc, "-p", project], { cwd: root, stdio: "inherit" });
}
