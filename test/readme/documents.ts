import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const GUIDE = "example-app/guide";

/** Lists the Markdown files of a folder, as paths below the root of the repository. */
async function markdownIn(folder: string): Promise<string[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}

/** The pages for users of the package, whose code blocks are run or type-checked. */
export const PAGES: readonly string[] = ["README.md", ...(await markdownIn(GUIDE))];

/** All documents whose links are checked. */
export const DOCUMENTS: readonly string[] = [
  ...PAGES,
  "CHANGELOG.md",
  ...(await markdownIn("lib")),
  ...(await markdownIn("example-app/recipes")),
  ...(await markdownIn("test")).filter((path) => !path.startsWith("test/output/")),
];

export const readDocument = (path: string): Promise<string> => readFile(join(ROOT, path), "utf8");

/** Removes fenced blocks and code in backticks. */
const withoutCode = (text: string): string => text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, "");

export interface Link {
  /** The linked file, below the root of the repository. */
  readonly path: string;
  /** The heading's anchor, without #; undefined if the link names none. */
  readonly anchor: string | undefined;
}

/** Returns the links of a document that stay in the repository. */
export async function linksOf(document: string): Promise<Link[]> {
  const text = withoutCode(await readDocument(document));
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const named = [...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...named]
    .map(([, target = ""]) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      const whole = path === "" ? document : normalize(join(dirname(document), path)).replaceAll("\\", "/");
      return { path: whole.replace(/\/$/, ""), anchor };
    });
}

/** Returns the anchors of a document's headings, as GitHub makes them. */
export async function anchorsOf(document: string): Promise<Set<string>> {
  const text = (await readDocument(document)).replace(/^```.*?^```$/gms, "");
  const anchors = new Set<string>();
  for (const [, heading = ""] of text.matchAll(/^#+ (.+)$/gm)) {
    const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = plain.replace(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}
