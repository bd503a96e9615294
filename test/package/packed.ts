import { existsSync, watch } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";
import { runWell } from "./run.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What packing must make anew, or cannot need. */
const NOT_COPIED = new Set(["node_modules", "dist", "output", "coverage", ".git"]);

export interface Packed {
  /** The copy of this repository that was built and packed. */
  readonly folder: string;
  readonly tarball: string;
  /** The paths in the tarball. */
  readonly files: readonly string[];
}

/**
 * The package as `npm publish` would pack it. From a copy: other tests may build into dist/ at the same time. It is made
 * once for all tests of a run, by the first that wants it; the run itself removes it.
 */
export async function pack(): Promise<Packed> {
  const home = inject("packing");
  const told = join(home, "packed.json");
  if (await isFirst(join(home, "begun"))) {
    const made = await packInto(home).catch((error: Error) => ({ failure: error.message }));
    await writeFile(`${told}.part`, JSON.stringify(made));
    await rename(`${told}.part`, told);
  }
  await appears(told);
  const { failure, ...packed } = JSON.parse(await readFile(told, "utf8"));
  if (failure) throw new Error(failure);
  return packed;
}

/** Of several processes one makes a folder. */
const isFirst = (folder: string): Promise<boolean> =>
  mkdir(folder).then(
    () => true,
    () => false,
  );

function appears(path: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(path), look);
    function look(): void {
      if (!existsSync(path)) return;
      watcher.close();
      resolve();
    }
    look();
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
  if (!tarball) throw new Error("npm pack has left no tarball");
  // without its scripts, whose words would stand between us and the JSON; what they built is there by now
  const listed = JSON.parse(
    await runWell("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], folder),
  );
  const [{ files }] = Object.values(listed) as [{ files: { path: string }[] }];
  return { folder, tarball: join(home, tarball), files: files.map(({ path }) => path) };
}
