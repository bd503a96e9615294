import { toSingleLine } from "../util/to-single-line.js";

/** failed: no login can work. warning: it may, and something should be looked at. skipped: it could not be looked at. */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** What a check belongs to; DiagnoseOptions.skip leaves out whole groups. */
export type CheckGroup = "options" | "portal" | "credentials" | "redirect" | "cookies" | "store";

export const GROUPS: readonly CheckGroup[] = [
  "options",
  "portal",
  "credentials",
  "redirect",
  "cookies",
  "store",
];

/** One thing that was looked at. Nothing secret stands in it. */
export interface Check {
  /** What it belongs to. */
  readonly group: CheckGroup;
  /** Stable within a major version: for machines. */
  readonly id: string;
  /** Whether it is as it should be. */
  readonly verdict: Verdict;
  /** What was looked at, or what is wrong, in words. */
  readonly title: string;
  /** What was seen. */
  readonly found?: string;
  /** What to do. */
  readonly advice?: string;
}

type Seen = { readonly found?: string | undefined; readonly advice?: string | undefined };

/** The checks of one group: a name for machines, a title for people, what was seen, what to do. */
export function checksOf(group: CheckGroup) {
  const check =
    (verdict: Verdict) =>
    (id: string, title: string, { found, advice }: Seen = {}): Check => ({
      group,
      id: `${group}.${id}`,
      verdict,
      title: toSingleLine(title),
      ...(found !== undefined && { found: toSingleLine(found) }),
      ...(advice !== undefined && { advice: toSingleLine(advice) }),
    });
  return { ok: check("ok"), warning: check("warning"), failed: check("failed"), skipped: check("skipped") };
}
