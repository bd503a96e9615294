import { statSync } from "node:fs";
import { type ExplainedOption, explainResolved } from "../settings/explain.js";
import type { ResolvedOptions } from "../settings/resolve-options.js";
import { type Check, checksOf } from "./check.js";

const { ok, warning, failed } = checksOf("options");

/** One line for each option that was written, is missing, or is wrong; and for each name that is none. */
export function checkOptions(resolved: ResolvedOptions, typos: readonly string[]): Check[] {
  const problems = new Map<string, string[]>();
  for (const { option, advice } of resolved.problems)
    problems.set(option, [...(problems.get(option) ?? []), advice]);
  const explained = explainResolved(resolved);
  const known = explained.flatMap((one) => {
    const wrong = problems.get(one.option);
    problems.delete(one.option);
    if (wrong)
      return wrong.map((advice) =>
        failed(one.option, titleOf(one), { found: foundOf(one) ?? "missing", advice }),
      );
    return isDefault(one.origin) ? [] : [good(one, resolved)];
  });
  const unknown = [...problems].flatMap(([option, texts]) =>
    texts.map((advice) => failed(option || "unknown", option || "options", { advice })),
  );
  const byDefault = explained.filter(({ option, origin }) => isDefault(origin) && !problems.has(option));
  const rest = ok("defaults", `${byDefault.length} options are left as they are`, {
    found: "--explain shows them",
  });
  return [
    ...known,
    ...unknown,
    rest,
    ...typos.map((advice) => warning("typo", advice.split(" ")[0] ?? "", { advice })),
  ];
}

const isDefault = (origin: ExplainedOption["origin"]): boolean =>
  origin === "default" || origin === "profile";

const titleOf = ({ option, variable }: ExplainedOption): string => variable ?? option;

const foundOf = ({ value, origin }: ExplainedOption): string | undefined =>
  value === undefined ? undefined : origin === "option" ? `${value} (in code)` : value;

function good(one: ExplainedOption, resolved: ResolvedOptions): Check {
  const advice =
    weakness(one.option, resolved.written[one.option]) ?? openToOthers(resolved.files[one.option]);
  const seen = { found: foundOf(one), advice };
  return advice ? warning(one.option, titleOf(one), seen) : ok(one.option, titleOf(one), seen);
}

const NEW_ONE = "it can be guessed. Make one with: openssl rand -hex 32";

/** Long is not random: a word that is repeated, the alphabet, or what stands in somebody's example. */
function weakness(option: string, written: unknown): string | undefined {
  if (option !== "secret" && option !== "tokenEncryptionKey") return undefined;
  const all = [written].flat().flatMap((one) => String(one).split(","));
  const isWeak = all.some(
    (one) => new Set(one.trim()).size < 10 || /secret|password|change|example|0123456789|abcdefgh/i.test(one),
  );
  return isWeak ? NEW_ONE : undefined;
}

function openToOthers(file: string | undefined): string | undefined {
  if (file === undefined || process.platform === "win32") return undefined; // where these bits say nothing
  return statSync(file).mode & 0o004 ? "everybody on this machine can read that file: chmod o-r" : undefined;
}
