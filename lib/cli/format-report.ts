import { styleText } from "node:util";
import type { Check, CheckGroup, Verdict } from "../doctor/check.js";
import type { ExplainedOption } from "../settings/explain.js";
import { toSingleLine } from "../util/to-single-line.js";

type Colour = "green" | "yellow" | "red" | "dim" | "bold";

/** Colours for a terminal that wants them (NO_COLOR, FORCE_COLOR, and none where the output goes to a file). */
export type Paint = (colour: Colour, text: string) => string;

export function createPaint(wanted: boolean | undefined): Paint {
  const isOn = wanted ?? (process.stdout.isTTY === true && process.stdout.hasColors());
  return (colour, text) => (isOn ? styleText(colour, text, { validateStream: false }) : text);
}

const MARKS: Readonly<Record<Verdict, readonly [Colour, string]>> = {
  ok: ["green", "✓"],
  warning: ["yellow", "!"],
  failed: ["red", "✗"],
  skipped: ["dim", "–"],
};

const GROUPS: Readonly<Record<CheckGroup, string>> = {
  options: "Options",
  portal: "Portal",
  credentials: "Credentials",
  redirect: "Redirect address",
  cookies: "Cookies",
  store: "Session store",
};

/** One line for each check, what to do below it; and at the end whether a login can work, or what to do first. */
export function reportLines(ok: boolean, checks: readonly Check[], paint: Paint): string[] {
  const groups = (Object.keys(GROUPS) as CheckGroup[]).flatMap((group) => {
    const its = checks.filter((check) => check.group === group);
    return its.length === 0
      ? []
      : ["", paint("bold", GROUPS[group]), ...its.flatMap((check) => linesOf(check, paint))];
  });
  return [...groups, "", conclusion(ok, checks, paint), ""];
}

function linesOf({ verdict, title, found, advice }: Check, paint: Paint): string[] {
  const [colour, mark] = MARKS[verdict];
  const line = `  ${paint(colour, mark)} ${title}${found ? paint("dim", `  ${found}`) : ""}`;
  return advice === undefined ? [line] : [line, `      ${advice}`];
}

function conclusion(ok: boolean, checks: readonly Check[], paint: Paint): string {
  const first = checks.find(({ verdict }) => verdict === "failed");
  if (!ok) return paint("red", `No login can work yet. First: ${first?.advice ?? first?.title ?? ""}`);
  const warnings = checks.filter(({ verdict }) => verdict === "warning").length;
  const rest =
    warnings === 0
      ? ""
      : ` ${warnings === 1 ? "One warning is" : `${warnings} warnings are`} to be looked at.`;
  return paint("green", `A login can work.${rest}`);
}

/** The effective configuration, as a table. */
export function explainedLines(explained: readonly ExplainedOption[], paint: Paint): string[] {
  const rows = explained.map(({ option, variable = "", value = "none", origin }) => [
    option,
    variable,
    origin,
    value,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    `  ${row.map((cell, column) => toSingleLine(cell).padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd();
  return ["", paint("bold", "Configuration"), ...rows.map(line)];
}
