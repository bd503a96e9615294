import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The files that a browser loads: beside this file, or one folder up from where it was built to. */
export function publicFolder(): string {
  const found = ["./public", "../public"]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error("The folder example-app/public is missing.");
  return found;
}
