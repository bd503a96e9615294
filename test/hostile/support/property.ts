import fc from "fast-check";

/**
 * Runs more: `HOSTILE_SEED=random HOSTILE_RUNS=20 npx vitest run --config test/vitest.config.ts test/hostile`
 * tries twenty times as much, with other input each time. Without these variables every run is the same,
 * because a gate that fails must fail again. A failure shows its seed and path.
 */
const { HOSTILE_SEED = "20261126", HOSTILE_RUNS = "1" } = process.env;

/** Returns how often a property runs, at least. */
export const tries = (runs: number): fc.Parameters<unknown> => ({
  numRuns: Math.ceil(runs * Number(HOSTILE_RUNS)),
  ...(HOSTILE_SEED !== "random" && { seed: Number(HOSTILE_SEED) }),
});

/** The timeout for vitest: a property may take as long as its runs need. */
export const PATIENCE_MS = 60_000 * Math.max(1, Number(HOSTILE_RUNS));

/** JSON values, and member names that have caused failures in other libraries. */
export const json = fc.jsonValue({ maxDepth: 2 });
export const dangerousName = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
);

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=%+/ \u00e4";

/** Changes of a text: letters replaced, removed or inserted. */
export const edits = fc.array(
  fc.record({
    kind: fc.constantFrom("exchange", "remove", "insert"),
    at: fc.nat(2000),
    letter: fc.constantFrom(...LETTERS),
  }),
  { minLength: 1, maxLength: 3 },
);
export type Edit = { kind: string; at: number; letter: string };
export const edited = (text: string, changes: readonly Edit[]): string =>
  changes.reduce((changed, { kind, at, letter }) => {
    const place = at % (changed.length + 1);
    return (
      changed.slice(0, place) +
      (kind === "remove" ? "" : letter) +
      changed.slice(place + (kind === "insert" ? 0 : 1))
    );
  }, text);
