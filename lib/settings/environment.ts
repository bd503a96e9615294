import { readFileSync } from "node:fs";

/** What was found for one variable, and what is wrong about how it was given. */
export interface FromEnvironment {
  readonly value?: string;
  /** The file that it was read from, as NAME_FILE names it. */
  readonly file?: string;
  readonly problem?: string;
}

/** Reads a variable. One that is set but empty counts as unset: that is how compose files and CI pass on what they lack. */
export function readVariable(env: NodeJS.ProcessEnv, name: string): FromEnvironment {
  const value = env[name];
  return value ? { value } : {};
}

/** Reads a secret from its variable or from the file that NAME_FILE names, as container platforms mount secrets. */
export function readSecret(env: NodeJS.ProcessEnv, name: string): FromEnvironment {
  const path = env[`${name}_FILE`];
  if (!path) return readVariable(env, name);
  if (env[name])
    return {
      problem: `${name} and ${name}_FILE are both set: keep one of them`,
    };
  try {
    const value = readFileSync(path, "utf8").trimEnd(); // editors and echo end a file with a line break
    return value
      ? { value, file: path }
      : {
          problem: `${name}_FILE names a file that is empty: write the secret into it`,
        };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "unreadable";
    return {
      problem: `${name}_FILE names a file that cannot be read (${reason}): write the path of a readable file`,
    };
  }
}

/** Names that nobody else is likely to use. A misspelt TOKEN_ENCRYPTION_KEY would leave tokens unsealed without a word. */
const OURS = /^(PORTAL_|SESSION_STORE|TOKEN_ENCRYPTION)/;
/** Names that others use too: of these only what is a slip of the finger away, two letters that changed places at most. */
const SHARED = /^SESSION_/;
const SLIP = 2;

/** A variable of ours that nobody reads is most likely a typo: told with the nearest real name. */
export function unknownVariables(env: NodeJS.ProcessEnv, known: readonly string[]): string[] {
  return Object.keys(env)
    .filter((name) => !known.includes(name) && (OURS.test(name) || isSlip(name, known)))
    .map(
      (name) =>
        `${name} is not a variable of express-portal-auth. The nearest is ${nearest(name, known)}: did you mean that?`,
    );
}

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
