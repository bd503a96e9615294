import { basename } from "node:path";

/** Names that several folders may use. Other files with the same name look alike in the tabs of an editor. */
const MAY_REPEAT = ["index.ts"];

export function checkBasenames(paths) {
  const byName = new Map();
  for (const path of paths) {
    if (!path.startsWith("lib/") || !path.endsWith(".ts") || MAY_REPEAT.includes(basename(path))) continue;
    byName.set(basename(path), [...(byName.get(basename(path)) ?? []), path]);
  }
  return [...byName.values()]
    .filter((same) => same.length > 1)
    .flatMap((same) =>
      same.map((path) => ({
        path,
        line: 1,
        rule: "basename",
        text: `the same file name: ${same.join(", ")}`,
      })),
    );
}
