import { existsSync, watch } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";
import { runWell } from "./run.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Files and folders that packing creates itself or does not need. */
const NOT_COPIED = new Set(["node_modules", "dist", "output", "coverage", ".git"]);

export interface Packed {
  /** The copy of this repository that was built and packed. */
  readonly folder: string;
  readonly tarball: string;
  /** The paths in the tarball. */
  readonly files: readonly string[];
}

/**
 * Packs the package as `npm publish` does. It works in a copy, because other tests can build into dist/ at
 * the same time. The first caller of a test run packs, and all callers share the result, which the run
 * removes at its end.
 */
export async function pack(): Promise<Packed> {
  const home = inject("packing");
  const resultFile = join(home, "packed.json");
  if (await isFirst(join(home, "started"))) {
    const result = await packInto(home).catch((error: Error) => ({ failure: error.message }));
    await writeFile(`${resultFile}.part`, JSON.stringify(result));
    await rename(`${resultFile}.part`, resultFile);
  }
  await waitForFile(resultFile);
  const { failure, ...packed } = JSON.parse(await readFile(resultFile, "utf8"));
  if (failure) throw new Error(failure);
  return packed;
}

/** Returns true in exactly one of several processes: the one that creates the folder. */
const isFirst = (folder: string): Promise<boolean> =>
  mkdir(folder).then(
    () => true,
    () => false,
  );

function waitForFile(path: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(path), check);
    function check(): void {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    }
    check();
  });
}

async function packInto(home: string): Promise<Packed> {
  const folder = join(home, "copy");
  await cp(ROOT, folder, {
    recursive: true,
    filter: (path) => relative(ROOT, path) === "" || !NOT_COPIED.has(basename(path)),
  });
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
  await runWell("npm", ["pack", "--pack-destination", home], folder);
  const [tarball] = (await readdir(home)).filter((name) => name.endsWith(".tgz"));
  if (!tarball) throw new Error("npm pack has created no tarball");
  // Without scripts, because their output would mix with the JSON. The first call has already built
  // everything.
  const listed = JSON.parse(
    await runWell("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], folder),
  );
  const [{ files }] = Object.values(listed) as [{ files: { path: string }[] }];
  return { folder, tarball: join(home, tarball), files: files.map(({ path }) => path) };
}
