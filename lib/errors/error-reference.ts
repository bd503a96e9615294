import { readFileSync } from "node:fs";
import { errorDefinitions } from "./error-codes.js";

/** The package contains lib/ beside dist/, so this URL is right for the source and for the build. */
const REFERENCE_FILE = new URL("../../lib/errors/errors.md", import.meta.url);

/** Returns the section of errors.md about an error code; undefined for an unknown code. */
export function findErrorSection(code: string): string | undefined {
  if (!Object.hasOwn(errorDefinitions, code)) return undefined;
  const [, ...sections] = readFileSync(REFERENCE_FILE, "utf8").split(/^## /m);
  return sections.find((section) => section.startsWith(`${code}\n`))?.trimEnd();
}

/** One cause of a failure. The texts may contain `code` in backticks. */
interface ErrorCause {
  readonly cause: string;
  /** How to find out whether it is this cause. */
  readonly check: string;
  readonly fix: string;
}

/** A section of errors.md in its parts. */
export interface ErrorExplanation {
  readonly code: string;
  readonly happened: string;
  readonly causes: readonly ErrorCause[];
}

/** Returns what errors.md says about an error code, in parts for a page; undefined for an unknown code. */
export function findErrorExplanation(code: string): ErrorExplanation | undefined {
  const section = findErrorSection(code);
  if (section === undefined) return undefined;
  const [, happened = ""] = /\*\*What happened\.\*\* (.+?)\n\n/s.exec(section) ?? [];
  const items = section.split(/^\d+\. /m).slice(1);
  return { code, happened: joinLines(happened), causes: items.map(parseCause) };
}

function parseCause(item: string): ErrorCause {
  const [cause = "", check = "", fix = ""] = item.split(/^\s*\*(?:Check|Fix):\* /m);
  return { cause: joinLines(cause), check: joinLines(check), fix: joinLines(fix) };
}

const joinLines = (text: string): string => text.trim().replace(/\n\s*/g, " ");
