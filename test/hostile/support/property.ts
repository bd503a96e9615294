import fc from "fast-check";

/**
 * Whoever looks for more: `HOSTILE_SEED=random HOSTILE_RUNS=20 npx vitest run --config test/vitest.config.ts test/hostile`
 * tries twenty times as much, and something else each time. Without them a run is like the last one: a gate that fails
 * must fail again. What fails is told with its seed and path.
 */
const { HOSTILE_SEED = "20261126", HOSTILE_RUNS = "1" } = process.env;

/** How many times, at least. */
export const tries = (runs: number): fc.Parameters<unknown> => ({
  numRuns: runs * Number(HOSTILE_RUNS),
  ...(HOSTILE_SEED !== "random" && { seed: Number(HOSTILE_SEED) }),
});

/** For vitest: a property may take as long as its runs need. */
export const PATIENCE_MS = 60_000 * Number(HOSTILE_RUNS);

/** What JSON can hold, with the names that have bitten others. */
export const json = fc.jsonValue({ maxDepth: 2 });
export const dangerousName = fc.constantFrom(
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
);
