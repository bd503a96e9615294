import { readFileSync } from "node:fs";
import { errorDefinitions } from "./portal-auth-error.js";

/** lib/ is shipped beside dist/, so this is right for the source and for what is built from it. */
const REFERENCE_FILE = new URL("../../lib/errors/errors.md", import.meta.url);

/** The section of lib/errors/errors.md that tells of a failure; undefined for a code that does not exist. */
export function findErrorSection(code: string): string | undefined {
  if (!Object.hasOwn(errorDefinitions, code)) return undefined;
  const [, ...sections] = readFileSync(REFERENCE_FILE, "utf8").split(/^## /m);
  return sections.find((section) => section.startsWith(`${code}\n`))?.trimEnd();
}

/** The same in its parts, for a page. Text with Markdown's `code` in it. */
export interface ErrorExplanation {
  readonly code: string;
  readonly happened: string;
  readonly causes: readonly { readonly cause: string; readonly tell: string; readonly fix: string }[];
}

export function findErrorExplanation(code: string): ErrorExplanation | undefined {
  const section = findErrorSection(code);
  if (section === undefined) return undefined;
  const happened = /\*\*What happened\.\*\* (.+)/.exec(section)?.[1] ?? "";
  const causes = [...section.matchAll(/^\d+\. (.+)\n\s+\*How to tell:\* (.+)\n\s+\*The fix:\* (.+)$/gm)];
  return {
    code,
    happened,
    causes: causes.map(([, cause = "", tell = "", fix = ""]) => ({ cause, tell, fix })),
  };
}
