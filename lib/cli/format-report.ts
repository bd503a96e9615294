import { styleText } from "node:util";
import type { Check, CheckGroup, Verdict } from "../doctor/check.js";
import type { ExplainedOption } from "../settings/explain.js";
import { toSingleLine } from "../util/to-single-line.js";

type Colour = "green" | "yellow" | "red" | "dim" | "bold";

/** Adds a colour to a text, if the output has colours. */
export type Paint = (colour: Colour, text: string) => string;

/**
 * Creates the function that colours texts. By default, only a terminal gets colours, and NO_COLOR and
 * FORCE_COLOR apply.
 */
export function createPaint(isRequested: boolean | undefined): Paint {
  const isOn = isRequested ?? (process.stdout.isTTY === true && process.stdout.hasColors());
  return (colour, text) => (isOn ? styleText(colour, text, { validateStream: false }) : text);
}

const MARKS: Readonly<Record<Verdict, readonly [Colour, string]>> = {
  ok: ["green", "✓"],
  warning: ["yellow", "!"],
  failed: ["red", "✗"],
  skipped: ["dim", "–"],
};

const GROUP_TITLES: Readonly<Record<CheckGroup, string>> = {
  options: "Options",
  portal: "Provider",
  credentials: "Credentials",
  redirect: "Redirect URI",
  cookies: "Cookies",
  store: "Session store",
};

/**
 * Returns the report: one line for each check, and the advice below it. The last line says whether users can
 * sign in, or what to do first.
 */
export function formatReport(ok: boolean, checks: readonly Check[], paint: Paint): string[] {
  const groups = (Object.keys(GROUP_TITLES) as CheckGroup[]).flatMap((group) => {
    const lines = checks
      .filter((check) => check.group === group)
      .flatMap((check) => formatCheck(check, paint));
    return lines.length === 0 ? [] : ["", paint("bold", GROUP_TITLES[group]), ...lines];
  });
  return [...groups, "", formatConclusion(ok, checks, paint), ""];
}

function formatCheck({ verdict, title, found, advice }: Check, paint: Paint): string[] {
  const [colour, mark] = MARKS[verdict];
  const line = `  ${paint(colour, mark)} ${title}${found ? paint("dim", `  ${found}`) : ""}`;
  return advice === undefined ? [line] : [line, `      ${advice}`];
}

function formatConclusion(ok: boolean, checks: readonly Check[], paint: Paint): string {
  const first = checks.find(({ verdict }) => verdict === "failed");
  if (!ok) return paint("red", `Sign-in cannot work yet. First: ${first?.advice ?? first?.title ?? ""}`);
  const warnings = checks.filter(({ verdict }) => verdict === "warning").length;
  if (warnings === 0) return paint("green", "Sign-in should work.");
  return paint(
    "green",
    `Sign-in should work. Review ${warnings} ${warnings === 1 ? "warning" : "warnings"}.`,
  );
}

/** Returns the effective configuration as a table. */
export function formatConfiguration(explained: readonly ExplainedOption[], paint: Paint): string[] {
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
