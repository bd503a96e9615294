import * as v from "valibot";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createSettings, resolveRoutes } from "./create-settings.js";
import { readSecret, readVariable } from "./environment.js";
import { findConflicts, findMissingClientSecret } from "./option-conflicts.js";
import {
  createPlainProblem,
  describeIssue,
  describeUndefinedOption,
  describeUnknownOption,
  type OptionProblem,
} from "./option-problems.js";
import type { OptionVariable } from "./option-record.js";
import {
  findRecord,
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  OptionsSchema,
  type ValidOptions,
} from "./option-table.js";
import type { PortalAuthOptions } from "./portal-auth-options.js";
import type { Settings } from "./settings.js";
import { explainIgnoredVariable } from "./variable-scope.js";
import { findSimilarName, findVariableTypos } from "./variable-typos.js";

/** The source of a value. */
export type Origin = "option" | "variable" | "file" | "profile" | "default";

/** The options as they were written, and the settings that follow from them. */
export interface ResolvedOptions {
  /** Each written value by option, as it was written. */
  readonly written: Readonly<Record<string, unknown>>;
  /** The source of each written value, by option. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** The path of the file that a value was read from, by option. */
  readonly files: Readonly<Record<string, string>>;
  readonly problems: readonly OptionProblem[];
  /** Undefined if there are problems. */
  readonly settings: Settings | undefined;
}

/**
 * Resolves options, environment and defaults into settings, and reads the files that NAME_FILE names. An
 * option in code takes precedence over its variable.
 *
 * @throws PortalAuthError `options_invalid`: the problems that resolveOptions() finds, each with its name and
 *   what to write there
 */
export const resolveSettings = (
  given: PortalAuthOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): Settings => requireSettings(resolveOptions(given, env), env);

/**
 * Returns the settings of resolved options.
 *
 * @throws PortalAuthError `options_invalid`: the problems of all options, together with the unknown variables
 *   that findVariableTypos() reports
 */
export function requireSettings(
  { settings, problems }: ResolvedOptions,
  env: NodeJS.ProcessEnv = process.env,
): Settings {
  if (settings) return settings;
  const lines = new Set([...problems.map(({ text }) => text), ...findVariableTypos(env)]);
  const list = [...lines].map((line) => `\n  - ${line}`).join("");
  throw new PortalAuthError("options_invalid", {
    detail: `${list}\n  More: npx express-portal-auth explain options_invalid`,
  });
}

/**
 * Resolves options, environment and defaults into settings, and collects the problems. It throws nothing. It
 * also reads the files of secrets, which NAME_FILE names.
 *
 * An option in code takes precedence over its variable. An option that is undefined in code counts as
 * omitted. For some options that is a problem if the variable has a value: see `ifUndefinedInCode`. Conflicts
 * between options are searched only if each option is valid by itself.
 *
 * @param env default: process.env
 */
export function resolveOptions(
  given: PortalAuthOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): ResolvedOptions {
  const { written, origins, files, problems } = gatherValues(given, env);
  const checked = v.safeParse(OptionsSchema, { ...NOTHING_SET, ...written });
  const options = checked.success ? (checked.output as ValidOptions) : undefined;
  if (!checked.success) {
    const reported = new Set(problems.map(({ option }) => option));
    const issues = checked.issues.filter((issue) => !reported.has(v.getDotPath(issue) ?? ""));
    problems.push(...issues.map((issue) => describeIssue(issue, written)));
  }
  problems.push(...findMissingClientSecret(written, problems));
  if (options) problems.push(...findConflicts(options, resolveRoutes(options)));
  problems.sort((one, other) => getPosition(one) - getPosition(other));
  const settings = options && problems.length === 0 ? createSettings(options) : undefined;
  return { written, origins, files, problems, settings };
}

/**
 * With every option present, a missing one gets the message of its own schema, and the output is complete.
 */
const NOTHING_SET = Object.fromEntries(OPTION_NAMES.map((name) => [name, undefined]));

/** Problems are reported in the order of the documentation. */
function getPosition({ option }: OptionProblem): number {
  const position = OPTION_NAMES.indexOf(option as OptionName);
  return position === -1 ? OPTION_NAMES.length : position;
}

interface GatheredValues {
  readonly written: Record<string, unknown>;
  readonly origins: Record<string, Origin>;
  readonly files: Record<string, string>;
  readonly problems: OptionProblem[];
}

/** Collects the values from code, then from variables for what code omits. */
function gatherValues(given: PortalAuthOptions, env: NodeJS.ProcessEnv): GatheredValues {
  const values: GatheredValues = { written: {}, origins: {}, files: {}, problems: [] };
  for (const [option, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!findRecord(option)) {
      values.problems.push(describeUnknownOption(option, findSimilarName(option, OPTION_NAMES)));
      continue;
    }
    values.written[option] = value;
    values.origins[option] = "option";
  }
  for (const option of OPTION_NAMES) {
    const { variable } = OPTIONS[option];
    if (variable && values.written[option] === undefined) addVariable(values, option, variable, given, env);
  }
  return values;
}

/** Adds the value of one variable, or the reason why it is not used. */
function addVariable(
  { written, origins, files, problems }: GatheredValues,
  option: OptionName,
  variable: OptionVariable,
  given: PortalAuthOptions,
  env: NodeJS.ProcessEnv,
): void {
  const { value, file, problem } = (variable.isSecret ? readSecret : readVariable)(env, variable.name);
  if (problem) problems.push(createPlainProblem(option, problem));
  if (!value) return;
  if (variable.ifUndefinedInCode === "reject" && Object.hasOwn(given, option)) {
    problems.push(describeUndefinedOption(option, variable.name));
    return;
  }
  const reason = explainIgnoredVariable(option, variable, given, env);
  if (reason) {
    if (isNeeded(option, given)) problems.push(createPlainProblem(option, reason));
    return;
  }
  written[option] = variable.convert ? variable.convert(value) : value;
  origins[option] = file === undefined ? "variable" : "file";
  if (file !== undefined) files[option] = file;
}

/** Returns whether a login needs this option, so that ignoring its variable is a problem. */
const isNeeded = (option: OptionName, { clientAuth }: PortalAuthOptions): boolean =>
  option === "clientId" || (option === "clientSecret" && clientAuth !== "none");
