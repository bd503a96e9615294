import { readFile } from "node:fs/promises";

/** A fenced block of the README. */
export interface Block {
  /** Its first line, without a comment: by that it is known. */
  readonly key: string;
  readonly language: string;
  readonly code: string;
}

export async function readBlocks(): Promise<Block[]> {
  const text = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  return [...text.matchAll(/^```(\w+)\n(.*?)^```/gms)].map(([, language = "", code = ""]) => {
    const [first = ""] = code.split("\n");
    return { key: first.replace(/\s+(\/\/|#).*$/, ""), language, code };
  });
}

const AsyncFunction = (async () => {}).constructor as new (
  ...texts: string[]
) => (...values: unknown[]) => Promise<unknown>;

/**
 * Runs a block with what its reader would have around it. Its imports are left out: what they bring is in the scope, and
 * must be. Gives the variables that are asked for.
 */
export async function runBlock(
  { code }: Block,
  scope: Record<string, unknown>,
  wanted: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const imported = [...code.matchAll(/^import \{ ([^}]+) \} from '[^']+';$/gm)].flatMap(([, names = ""]) =>
    names.split(", "),
  );
  const missing = imported.filter((name) => !(name in scope));
  if (missing.length > 0) throw new Error(`the scope has no ${missing.join(", ")}`);
  const body = `${code.replace(/^import .*$/gm, "")}\nreturn { ${wanted.join(", ")} };`;
  return (await new AsyncFunction(...Object.keys(scope), body)(...Object.values(scope))) as Record<
    string,
    unknown
  >;
}
