import { readFileSync } from "node:fs";

/** What was found for one variable, and what is wrong about how it was given. */
export interface FromEnvironment {
  readonly value?: string;
  /** The file that it was read from, as NAME_FILE names it. */
  readonly file?: string;
  readonly problem?: string;
}

/**
 * Reads a variable without the white space around it. A variable that is set but empty counts as unset: compose files and
 * CI systems pass variables on like that.
 */
export const readVariable = (env: NodeJS.ProcessEnv, name: string): FromEnvironment =>
  parseText(env[name], name);

/** Reads a secret from its variable or from the file that NAME_FILE names, as container platforms mount secrets. */
export function readSecret(env: NodeJS.ProcessEnv, name: string): FromEnvironment {
  const { value: path, problem } = readVariable(env, `${name}_FILE`);
  if (problem !== undefined) return { problem };
  if (path === undefined) return readVariable(env, name);
  if (readVariable(env, name).value !== undefined)
    return { problem: `${name} and ${name}_FILE are both set: keep one of them` };
  return readFile(path, `${name}_FILE`);
}

/** Reads a file as UTF-8. It may begin with a byte order mark, and usually ends with a line break: both are removed. */
function readFile(path: string, name: string): FromEnvironment {
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

/** Removes what surrounds a value: spaces, the CR of Windows line ends, a byte order mark (U+FEFF). */
function parseText(text: string | undefined, name: string): FromEnvironment {
  const value = text?.trim();
  if (!value) return {};
  if (QUOTED.test(value)) return { problem: `${name} has quotation marks around its value: remove them` };
  return { value };
}

/** Docker's `--env-file`, systemd and Kubernetes pass quotation marks on as part of the value in some spellings. */
const QUOTED = /^(?:".*"|'.*'|`.*`|“.*”|‘.*’)$/s;

/** Names that nobody else is likely to use. A misspelt TOKEN_ENCRYPTION_KEY would leave tokens unsealed without a word. */
const OURS = /^(PORTAL_|SESSION_STORE|TOKEN_ENCRYPTION)/;
/** Names that others use too: of these only what is a slip of the finger away, two letters that changed places at most. */
const SHARED = /^SESSION_/;
const SLIP = 2;

/** Returns a line for each variable that is most likely a typo, with the nearest real name. */
export function unknownVariables(env: NodeJS.ProcessEnv, known: readonly string[]): string[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    const plain = name.replace(/^\uFEFF/, "");
    if (plain !== name && known.includes(plain))
      return [`${plain} begins with a byte order mark: save your .env file as UTF-8 without one`];
    if (known.includes(name) || isServiceLink(name, value)) return [];
    if (!OURS.test(name) && !isSlip(name, known)) return [];
    const likely = nearest(name, known);
    return [`${name} is not a variable of express-portal-auth. The nearest is ${likely}: did you mean that?`];
  });
}

/**
 * Detects what Kubernetes sets in every container for a service named "portal", "portal-web" or "session-store"
 * (Kubernetes documentation, "Service", section "Environment variables").
 */
const isServiceLink = (name: string, value: string): boolean =>
  /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
  (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//i.test(value.trim()));

const isSlip = (name: string, known: readonly string[]): boolean =>
  SHARED.test(name) && known.some((candidate) => distance(name, candidate) <= SLIP);

/** Of these names the one that is written most alike; undefined where none is. */
export function alike(name: string, known: readonly string[]): string | undefined {
  const best = nearest(name, known);
  return distance(name.toLowerCase(), best.toLowerCase()) <= name.length / 2 ? best : undefined;
}

function nearest(name: string, known: readonly string[]): string {
  const longer = known.find((candidate) => candidate.startsWith(`${name}_`));
  if (longer) return longer; // SESSION_STORE is half of SESSION_STORE_URL, though nearer to SESSION_SECRET
  const distances = known.map((candidate) => [distance(name, candidate), candidate] as const);
  return distances.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** Levenshtein's distance: how many letters to insert, remove or change. */
function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (const [column, other] of [...b].entries()) {
      const replaced = (above[column] ?? 0) + (letter === other ? 0 : 1);
      current.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1));
    }
    above = current;
  }
  return above[b.length] ?? 0;
}
