import { cp, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
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
  remove(): Promise<void>;
}

/** Packs the package as `npm publish` would. In a copy: other tests may build into dist/ at the same time. */
export async function pack(): Promise<Packed> {
  const home = await mkdtemp(join(tmpdir(), "express-portal-auth-pack-"));
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
  const listed = JSON.parse(await runWell("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], folder));
  const [{ files }] = Object.values(listed) as [{ files: { path: string }[] }];
  return {
    folder,
    tarball: join(home, tarball),
    files: files.map(({ path }) => path),
    remove: () => rm(home, { recursive: true, force: true }),
  };
}
