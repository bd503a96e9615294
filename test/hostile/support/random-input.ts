import fc from "fast-check";

/**
 * Runs more: `HOSTILE_SEED=random HOSTILE_RUNS=20 npx vitest run --config test/vitest.config.ts test/hostile`
 * tries twenty times as much, with other input each time. Without these variables every run is the same,
 * because a gate that fails must fail again. A failure shows its seed and path.
 */
const { HOSTILE_SEED = "20261126", HOSTILE_RUNS = "1" } = process.env;

/** Returns fast-check's parameters for at least so many runs of a property. */
export const runs = (least: number): fc.Parameters<unknown> => ({
  numRuns: Math.ceil(least * Number(HOSTILE_RUNS)),
  ...(HOSTILE_SEED !== "random" && { seed: Number(HOSTILE_SEED) }),
});

/** The timeout of a test for vitest: a property may take as long as its runs need. */
export const TIMEOUT_MS = 60_000 * Math.max(1, Number(HOSTILE_RUNS));

/** Any JSON value. */
export const json = fc.jsonValue({ maxDepth: 2 });

/** Member names that have caused failures in other libraries. */
export const dangerousName = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
);

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=%+/ \u00e4";

/** One change of a text. */
export type Edit = { kind: string; at: number; letter: string };

/** Changes of a text: letters replaced, removed or inserted. */
export const edits = fc.array(
  fc.record({
    kind: fc.constantFrom("replace", "remove", "insert"),
    at: fc.nat(2000),
    letter: fc.constantFrom(...LETTERS),
  }),
  { minLength: 1, maxLength: 3 },
);

export const applyEdits = (text: string, changes: readonly Edit[]): string => changes.reduce(applyEdit, text);

function applyEdit(text: string, { kind, at, letter }: Edit): string {
  const place = at % (text.length + 1);
  const inserted = kind === "remove" ? "" : letter;
  const end = kind === "insert" ? place : place + 1;
  return text.slice(0, place) + inserted + text.slice(end);
}
