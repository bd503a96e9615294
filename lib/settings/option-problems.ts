import * as v from "valibot";
import { findRecord } from "./option-table.js";

/** A problem of one option, with advice. */
export interface OptionProblem {
  /** "" for the name of a member that does not exist. */
  readonly option: string;
  /** Names the variable and the option, followed by the advice. */
  readonly text: string;
  /** Says what to write, for a reader who sees the option's name already. */
  readonly advice: string;
}

/**
 * Creates the problem of an option.
 *
 * @param name the name under which the message shows the option
 */
export const createProblem = (option: string, name: string, advice: string): OptionProblem => ({
  option,
  text: `${name}: ${advice}`,
  advice,
});

/** Creates the problem of an option whose text is the whole advice, without a name before it. */
export const createPlainProblem = (option: string, text: string): OptionProblem => ({
  option,
  text,
  advice: text,
});

/**
 * Returns the name under which messages show an option: its variable, if it has one, and the option in code.
 *
 * @param path the path of a member of the option, such as `routes.login`. Default: the option itself.
 */
export function getDisplayName(option: string, path = option): string {
  const variable = findRecord(option)?.variable;
  return variable ? `${variable.name} (option ${path})` : `option ${path}`;
}

/**
 * Describes a failed validation: the option is invalid, missing, or does not exist. The written value is
 * omitted, because it may be a secret.
 *
 * @param written the written value of each option
 */
export function describeIssue(
  issue: v.BaseIssue<unknown>,
  written: Readonly<Record<string, unknown>>,
): OptionProblem {
  const path = v.getDotPath(issue) ?? "";
  const option = path.split(".")[0] ?? "";
  const name = getDisplayName(option, path);
  if (!findRecord(option)?.variable && issue.type === "strict_object")
    return createProblem(option, name, "no such option");
  return createProblem(option, written[option] !== undefined ? name : `${name} is missing`, issue.message);
}

/** Describes an option that does not exist, and names the most similar one. */
export const describeUnknownOption = (option: string, similar: string | undefined): OptionProblem =>
  createProblem(
    option,
    `option ${option}`,
    similar === undefined ? "no such option" : `no such option: did you mean ${similar}?`,
  );

/** Describes an option that is undefined in code although its variable has a value. */
export const describeUndefinedOption = (option: string, variable: string): OptionProblem =>
  createProblem(
    option,
    `option ${option} is undefined in code`,
    `check where your code reads it from, or omit the option to use ${variable}`,
  );
