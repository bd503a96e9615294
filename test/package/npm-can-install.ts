import { tmpdir } from "node:os";
import { run } from "./run.js";

/**
 * Returns why npm cannot install packages here, for example without a network; undefined if it can. In CI it
 * always returns undefined, so that a failed installation fails the test.
 */
export async function findInstallProblem(): Promise<string | undefined> {
  if (process.env["CI"]) return undefined;
  const args = [
    "view",
    "express",
    "version",
    "--prefer-online",
    "--fetch-retries=0",
    "--fetch-timeout=10000",
  ];
  const result = await run("npm", args, tmpdir()).catch((error: Error) => ({
    code: -1,
    stderr: error.message,
  }));
  if (result.code === 0) return undefined;
  return "skipped: npm reaches no registry. To run it, make `npm view express` work, or set CI=1";
}
