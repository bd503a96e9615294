import { statSync } from "node:fs";
import { type ExplainedOption, explainResolved } from "../settings/explain.js";
import type { ResolvedOptions } from "../settings/resolve-options.js";
import { type Check, createChecks } from "./check.js";

const { ok, warning, failed } = createChecks("options");

/** Returns a check for each option that is set, missing or invalid, and for each unknown name. */
export function checkOptions(resolved: ResolvedOptions, typos: readonly string[]): Check[] {
  const problems = new Map<string, string[]>();
  for (const { option, advice } of resolved.problems)
    problems.set(option, [...(problems.get(option) ?? []), advice]);
  const explained = explainResolved(resolved);
  const known = explained.flatMap((setting) => {
    const advices = problems.get(setting.option);
    if (advices)
      return advices.map((advice) =>
        failed(setting.option, getTitle(setting), { found: describeSetting(setting) ?? "missing", advice }),
      );
    return isDefault(setting) ? [] : [checkValidOption(setting, resolved)];
  });
  for (const { option } of explained) problems.delete(option);
  const unknown = [...problems].flatMap(([option, advices]) =>
    advices.map((advice) => failed(option || "unknown", option || "options", { advice })),
  );
  return [
    ...known,
    ...unknown,
    ok("defaults", `${explained.filter(isDefault).length} options have their default`, {
      found: "--explain shows them",
    }),
    ...typos.map((advice) => warning("typo", advice.split(" ")[0] ?? "", { advice })),
  ];
}

const isDefault = ({ origin }: ExplainedOption): boolean => origin === "default" || origin === "profile";

const getTitle = ({ option, variable }: ExplainedOption): string => variable ?? option;

const describeSetting = ({ value, origin }: ExplainedOption): string | undefined =>
  value !== undefined && origin === "option" ? `${value} (in code)` : value;

function checkValidOption(setting: ExplainedOption, { written, files }: ResolvedOptions): Check {
  const advice =
    findWeakSecret(setting.option, written[setting.option]) ?? findReadableFile(files[setting.option]);
  const details = { found: describeSetting(setting), advice };
  return advice
    ? warning(setting.option, getTitle(setting), details)
    : ok(setting.option, getTitle(setting), details);
}

const NEW_SECRET = "it can be guessed. Make one with: openssl rand -hex 32";

/** Returns advice for a secret that is long but not random: a repeated word, an alphabet, or an example. */
function findWeakSecret(option: string, written: unknown): string | undefined {
  if (option !== "secret" && option !== "tokenEncryptionKey") return undefined;
  const secrets = [written].flat().flatMap((value) => String(value).split(","));
  const isWeak = secrets.some(
    (secret) =>
      new Set(secret.trim()).size < 10 || /secret|password|change|example|0123456789|abcdefgh/i.test(secret),
  );
  return isWeak ? NEW_SECRET : undefined;
}

/**
 * Returns advice for a secret's file that every user of this machine can read. Windows has other permissions.
 */
function findReadableFile(file: string | undefined): string | undefined {
  if (file === undefined || process.platform === "win32") return undefined;
  return statSync(file).mode & 0o004 ? "every user of this machine can read that file: chmod o-r" : undefined;
}
