import { readFileSync } from "node:fs";

/** The value of one variable, or why it cannot be used. */
export interface VariableValue {
  readonly value?: string;
  /** The path of the file that the value was read from, as NAME_FILE names it. */
  readonly file?: string;
  /** Says what is wrong and what to do. It never contains the value. */
  readonly problem?: string;
}

/**
 * Reads a variable, without the white space and the byte order mark around its value. A variable that is set
 * but empty counts as unset, because Compose files and CI systems set variables without a value to "".
 *
 * @returns the value; a problem if the value is in quotation marks; an empty object if the variable is unset
 */
export const readVariable = (env: NodeJS.ProcessEnv, name: string): VariableValue =>
  parseText(env[name], name);

/**
 * Reads a secret from its variable, or from the file that NAME_FILE names: container platforms mount files.
 * It throws nothing. The result has a problem in these cases:
 *
 * - Both variables are set, or a value is in quotation marks.
 * - The file cannot be read, is empty, or is not UTF-8 text.
 *
 * @returns the value, with the file's path if it comes from a file; an empty object if both are unset
 */
export function readSecret(env: NodeJS.ProcessEnv, name: string): VariableValue {
  const { value: path, problem } = readVariable(env, `${name}_FILE`);
  if (problem !== undefined) return { problem };
  if (path === undefined) return readVariable(env, name);
  if (readVariable(env, name).value !== undefined)
    return { problem: `${name} and ${name}_FILE are both set: remove one of them` };
  return readFile(path, `${name}_FILE`);
}

/** Reads a file as UTF-8, without a byte order mark and without the line break at its end. */
function readFile(path: string, name: string): VariableValue {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
    if (text.trim() === "")
      return { problem: `${name} names a file that is empty: write the secret into it` };
    const { value, problem } = parseText(text, `the file of ${name}`);
    return value === undefined ? { ...(problem !== undefined && { problem }) } : { value, file: path };
  } catch (error) {
    const { code = "unreadable" } = error as NodeJS.ErrnoException;
    if (code === "ERR_ENCODING_INVALID_ENCODED_DATA")
      return { problem: `${name} names a file that is not UTF-8 text: save it as UTF-8` };
    return {
      problem: `${name} names a file that cannot be read (${code}): write the path of a readable file`,
    };
  }
}

/** Removes white space, the CR of Windows line ends and a byte order mark (U+FEFF) around a value. */
function parseText(text: string | undefined, name: string): VariableValue {
  const value = text?.trim();
  if (!value) return {};
  if (QUOTED.test(value)) return { problem: `${name} has quotation marks around its value: remove them` };
  return { value };
}

/** Quotation marks of any kind: Docker's `--env-file`, systemd and Kubernetes can leave them in the value. */
const QUOTED = /^(?:".*"|'.*'|`.*`|“.*”|‘.*’)$/s;

/** Returns whether NODE_ENV is production. White space, a CR, quotation marks and capitals do not matter. */
export const isProduction = (env: NodeJS.ProcessEnv = process.env): boolean =>
  /^["']?\s*production\s*["']?$/i.test(env["NODE_ENV"]?.trim() ?? "");

/**
 * Returns a new object with the variables of some files and of the environment. The environment takes
 * precedence over the files, and a later file over an earlier one.
 */
export const mergeEnvFiles = (files: readonly NodeJS.Dict<string>[]): NodeJS.ProcessEnv =>
  Object.assign({}, ...files, process.env);
