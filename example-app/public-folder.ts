import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Returns the folder of the files for browsers. The build moves this file one folder down, to dist/. */
export function findPublicFolder(): string {
  const folder = ["./public", "../public"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (folder === undefined) throw new Error("The folder example-app/public is missing.");
  return folder;
}
