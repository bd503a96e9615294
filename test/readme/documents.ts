import { readdir, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const GUIDE = "example-app/guide";

/** Lists the Markdown files of a folder, as paths below the root of the repository. */
async function listMarkdown(folder: string): Promise<string[]> {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith(".md") && !name.includes("node_modules"))
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .sort();
}

/** The pages for users of the package, whose code blocks are run or type-checked. */
export const PAGES: readonly string[] = ["README.md", ...(await listMarkdown(GUIDE))];

/** All documents whose links are checked. */
export const DOCUMENTS: readonly string[] = [
  ...PAGES,
  "CHANGELOG.md",
  ...(await listMarkdown("lib")),
  ...(await listMarkdown("example-app/recipes")),
  ...(await listMarkdown("test")).filter((path) => !path.startsWith("test/output/")),
];

export const readDocument = (path: string): Promise<string> => readFile(join(ROOT, path), "utf8");

/** Removes fenced blocks and code in backticks. */
const removeCode = (text: string): string => text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, "");

export interface Link {
  /** The linked file, below the root of the repository. */
  readonly path: string;
  /** The anchor of a heading, without #; undefined if the link has none. */
  readonly anchor: string | undefined;
}

/** Returns the links of a document that stay in the repository. */
export async function findLinks(document: string): Promise<Link[]> {
  const text = removeCode(await readDocument(document));
  const inline = [...text.matchAll(/\]\(([^)\s]+)\)/g)];
  const named = [...text.matchAll(/^\[[^\]]+\]: (\S+)$/gm)];
  return [...inline, ...named]
    .map(([, target = ""]) => target)
    .filter((target) => !/^\w+:/.test(target))
    .map((target) => {
      const [path = "", anchor] = target.split("#");
      const fullPath =
        path === "" ? document : normalize(join(dirname(document), path)).replaceAll("\\", "/");
      return { path: fullPath.replace(/\/$/, ""), anchor };
    });
}

/** Returns the anchors of the headings, as GitHub creates them. */
export async function findAnchors(document: string): Promise<Set<string>> {
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
