import type { RecordStore } from "../../store/record-store.js";
import { pause } from "../../util/pause.js";
import { concurrencyChecks } from "./concurrency-checks.js";
import { indexChecks } from "./index-checks.js";
import { lifeChecks } from "./life-checks.js";
import { recordChecks } from "./record-checks.js";
import { textChecks } from "./text-checks.js";
import { CheckFailed, type StoreCheck, Trial } from "./trial.js";

/** One check of an adapter, as the function `test` of every test runner takes it. */
export interface RecordStoreCheck {
  /** A requirement for the adapter. */
  readonly name: string;
  /**
   * Runs the check. Rejects if the adapter fails it. The error says what the adapter did, what it must do,
   * and what happens in production otherwise.
   */
  readonly run: () => Promise<void>;
}

/** Options of {@link recordStoreChecks}. */
export interface RecordStoreChecksOptions {
  /**
   * Lets this many milliseconds pass. Set it if the test controls the clock of the adapter. Default: waits.
   */
  readonly letPass?: (ms: number) => void | Promise<void>;
}

const METHODS = ["read", "create", "replace", "touch", "remove"];
const INDEX_METHODS = ["add", "list", "remove"];

const shape: StoreCheck = {
  name: "has every method of RecordStore",
  risk: "portalAuth() rejects it at start-up",
  async run(trial) {
    for (const adapter of [trial.one, trial.other]) {
      const missing = [...without(adapter, METHODS), ...without(adapter?.index, INDEX_METHODS, "index.")];
      if (missing.length > 0)
        trial.fail(`The adapter has no method ${missing.join(", ")}`, "have all of them");
    }
  },
};

const without = (object: unknown, methods: readonly string[], prefix = ""): string[] =>
  methods.filter((name) => typeof Object(object)[name] !== "function").map((name) => prefix + name);

/**
 * Lists the checks that an adapter for another database must pass. They check each promise of
 * {@link RecordStore}, and write to the database under random keys.
 *
 * ```js
 * for (const { name, run } of recordStoreChecks(() => createMyAdapter(pool))) test(name, run);
 * ```
 *
 * @param createAdapter is called twice, when the first check runs. The two adapters represent two processes
 *   that share the database. With a pool, each call has its own connection. The caller closes these.
 */
export function recordStoreChecks(
  createAdapter: () => RecordStore | Promise<RecordStore>,
  { letPass = pause }: RecordStoreChecksOptions = {},
): RecordStoreCheck[] {
  let created: Promise<{ one: RecordStore; other: RecordStore }> | undefined;
  const createBoth = async () => ({ one: await createAdapter(), other: await createAdapter() });
  const all = [shape, ...recordChecks, ...lifeChecks, ...textChecks, ...concurrencyChecks, ...indexChecks];
  return all.map(({ name, risk, run }) => ({
    name,
    async run() {
      created ??= createBoth();
      const trial = new Trial({ ...(await created), risk, letPass });
      await run(trial).catch((error: unknown) => rethrow(error, trial));
    },
  }));
}

function rethrow(error: unknown, trial: Trial): never {
  if (error instanceof CheckFailed) throw error;
  trial.fail(
    `The adapter rejected, or threw: ${error}`,
    "do what it is asked while the database works",
    error,
  );
}
