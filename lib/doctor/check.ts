import { toSingleLine } from "../util/to-single-line.js";

/**
 * The result of a check.
 *
 * - "failed": users cannot sign in.
 * - "warning": users can sign in, but something needs a review.
 * - "skipped": the check was not possible.
 */
export type Verdict = "ok" | "warning" | "failed" | "skipped";

/** A group of checks. `DiagnoseOptions.skip` omits whole groups. */
export type CheckGroup = "options" | "portal" | "credentials" | "redirect" | "cookies" | "store";

export const GROUPS: readonly CheckGroup[] = [
  "options",
  "portal",
  "credentials",
  "redirect",
  "cookies",
  "store",
];

/** One check and its result, without secrets. */
export interface Check {
  /** The group of the check. */
  readonly group: CheckGroup;
  /** An identifier for programs, stable within a major version. */
  readonly id: string;
  /** The result. */
  readonly verdict: Verdict;
  /** Describes what was checked, or what is wrong. */
  readonly title: string;
  /** The value or the response that the check has found. */
  readonly found?: string;
  /** Says what to do. */
  readonly advice?: string;
}

interface CheckDetails {
  readonly found?: string | undefined;
  readonly advice?: string | undefined;
}

/** Returns functions that create the checks of one group, by verdict. All texts become a single line. */
export function createChecks(group: CheckGroup) {
  const createFor =
    (verdict: Verdict) =>
    (id: string, title: string, { found, advice }: CheckDetails = {}): Check => {
      const check = { group, id: `${group}.${id}`, verdict, title: toSingleLine(title) };
      const withFound = found === undefined ? check : { ...check, found: toSingleLine(found) };
      return advice === undefined ? withFound : { ...withFound, advice: toSingleLine(advice) };
    };
  return {
    ok: createFor("ok"),
    warning: createFor("warning"),
    failed: createFor("failed"),
    skipped: createFor("skipped"),
  };
}
