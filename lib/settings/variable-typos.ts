import { SECRETS, VARIABLES } from "./option-table.js";

/**
 * Names that no other software is likely to use. A misspelt TOKEN_ENCRYPTION_KEY would silently disable
 * encryption.
 */
const OURS = /^(PORTAL_|SESSION_STORE|TOKEN_ENCRYPTION)/;
/** Names that other software uses too. Only names close to one of ours are reported. */
const SHARED = /^SESSION_/;
/** Two edits: swapping two adjacent letters counts as two. */
const MAX_TYPO_DISTANCE = 2;

/** The names of all variables that are read. */
const KNOWN: readonly string[] = [...Object.values(VARIABLES), ...SECRETS.map((name) => `${name}_FILE`)];

/**
 * Returns a line for each variable that this package does not read, although its name suggests so:
 *
 * - Every unknown PORTAL_*, SESSION_STORE* and TOKEN_ENCRYPTION* name is reported, at any distance from ours.
 * - Any other SESSION_* name is reported if at most two edits lead to one of ours.
 * - One of our names with a byte order mark before it is reported. The .env file has that mark.
 *
 * Variables that Kubernetes sets for a service are ignored. Each line about an unknown name suggests the
 * nearest of ours.
 *
 * @param env default: process.env
 */
export function findVariableTypos(env: NodeJS.ProcessEnv = process.env): string[] {
  return Object.entries(env).flatMap(([name, value = ""]) => {
    const plain = name.replace(/^\uFEFF/, "");
    if (plain !== name && KNOWN.includes(plain))
      return [`${plain} begins with a byte order mark: save your .env file as UTF-8 without one`];
    if (KNOWN.includes(name) || isServiceLink(name, value)) return [];
    if (!OURS.test(name) && !isCloseToOurs(name)) return [];
    const nearest = findNearestName(name, KNOWN);
    return [
      `${name} is not a variable of express-portal-auth. The nearest is ${nearest}: did you mean that?`,
    ];
  });
}

/**
 * Returns whether Kubernetes has set the variable for a service named "portal", "portal-web" or
 * "session-store" (Kubernetes documentation, "Service", section "Environment variables").
 */
const isServiceLink = (name: string, value: string): boolean =>
  /_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
  (name.endsWith("_PORT") && /^(tcp|udp|sctp):\/\//i.test(value.trim()));

const isCloseToOurs = (name: string): boolean =>
  SHARED.test(name) && KNOWN.some((candidate) => getEditDistance(name, candidate) <= MAX_TYPO_DISTANCE);

/**
 * Returns the most similar of the known names; undefined if that needs more edits than half of the letters.
 * This limit ignores capitals. A known name that continues the given one after an underscore counts as
 * nearest.
 */
export function findSimilarName(name: string, known: readonly string[]): string | undefined {
  const nearest = findNearestName(name, known);
  const edits = getEditDistance(name.toLowerCase(), nearest.toLowerCase());
  return edits <= name.length / 2 ? nearest : undefined;
}

function findNearestName(name: string, known: readonly string[]): string {
  // SESSION_STORE is a part of SESSION_STORE_URL, although SESSION_SECRET needs fewer edits.
  const longer = known.find((candidate) => candidate.startsWith(`${name}_`));
  if (longer) return longer;
  const distances = known.map((candidate) => [getEditDistance(name, candidate), candidate] as const);
  return distances.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** Returns the Levenshtein distance: the number of letters to insert, remove or change. */
function getEditDistance(a: string, b: string): number {
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
