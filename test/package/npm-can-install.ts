import { tmpdir } from "node:os";
import { run } from "./run.js";

/**
 * Why npm can install nothing here (a laptop without network, a sandbox), or undefined when it can. In CI nobody is
 * excused: there the installation is tried, and its failure is the test's.
 */
export async function whyNpmCannotInstall(): Promise<string | undefined> {
  if (process.env["CI"]) return undefined;
  const args = [
    "view",
    "express",
    "version",
    "--prefer-online",
    "--fetch-retries=0",
    "--fetch-timeout=10000",
  ];
  const asked = await run("npm", args, tmpdir()).catch((error: Error) => ({
    code: -1,
    stderr: error.message,
  }));
  if (asked.code === 0) return undefined;
  return "skipped: npm reaches no registry. To run it: make `npm view express` work; with CI=1 it runs in any case";
}
