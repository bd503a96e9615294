import { PAGES, readDocument } from "./documents.js";

/** A fenced block of the README or of a page of the guide. */
export interface Block {
  /** The page, below the root of the repository. */
  readonly page: string;
  /** The first line without its comment. Tests find a block by it. */
  readonly key: string;
  readonly language: string;
  readonly code: string;
  /** The line of the page at which the code starts. */
  readonly line: number;
}

function parseBlocks(page: string, text: string): Block[] {
  return [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].map(({ 1: language = "", 2: code = "", index }) => {
    const [first = ""] = code.split("\n");
    const line = text.slice(0, index).split("\n").length + 1;
    return { page, key: first.replace(/\s+(\/\/|#).*$/, ""), language, code, line };
  });
}

/** Returns all blocks of the README and the guide. */
export async function readBlocks(): Promise<Block[]> {
  const blocks: Block[] = [];
  for (const page of PAGES) blocks.push(...parseBlocks(page, await readDocument(page)));
  return blocks;
}

const AsyncFunction = (async () => {}).constructor as new (
  ...texts: string[]
) => (...values: unknown[]) => Promise<unknown>;

/**
 * Runs a block with the variables that its reader would have. Imports are removed: their names must be in the
 * scope. Returns the requested variables.
 */
export async function runBlock(
  { code }: Pick<Block, "code">,
  scope: Record<string, unknown>,
  requested: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const imported = [...code.matchAll(/^import \{ ([^}]+) \} from '[^']+';$/gm)].flatMap(([, names = ""]) =>
    names.split(", "),
  );
  const missing = imported.filter((name) => !(name in scope));
  if (missing.length > 0) throw new Error(`the scope has no ${missing.join(", ")}`);
  const body = `${code.replace(/^import .*$/gm, "")}\nreturn { ${requested.join(", ")} };`;
  return (await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope))) as Record<
    string,
    unknown
  >;
}
