import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import type { RecordStore, StoredRecord } from "../../store/record-store.js";
import { pause } from "../../util/pause.js";

/** One check, as the files of this folder list it. */
export interface StoreCheck {
  /** A requirement for the adapter. */
  readonly name: string;
  /** The problem in production if the requirement is not met. It follows the words "If it does not,". */
  readonly risk: string;
  run(trial: Trial): Promise<void>;
}

/** A life that does not end while a check runs. */
export const HOUR_MS = 3_600_000;
/** A life whose end a check waits for. */
export const SHORT_MS = 40;

/** How much less than its full life a record may still have when a check reads it. */
const READ_LATE_MS = 60_000;
/** A database may round a life up to whole seconds. */
const ROUNDED_UP_MS = 1000;
/** How much a life may lose beside the time that passes. */
const MAX_LOST_MS = 100;
/** Less than the 5 s after which most test runners give up, so that the reason is reported. */
const MAX_WAIT_MS = 3000;
const POLL_MS = 20;

/** An adapter has failed a check. */
export class CheckFailed extends Error {}

export interface TrialOptions {
  readonly one: RecordStore;
  readonly other: RecordStore;
  readonly risk: string;
  readonly letPass: (ms: number) => unknown;
}

/** One run of a check: two adapters, and what compares their answers with the expected ones. */
export class Trial {
  readonly one: RecordStore;
  /** The same records on other connections. */
  readonly other: RecordStore;
  readonly #risk: string;
  readonly #letPass: (ms: number) => unknown;

  constructor({ one, other, risk, letPass }: TrialOptions) {
    this.one = one;
    this.other = other;
    this.#risk = risk;
    this.#letPass = letPass;
  }

  /** The adapter of the call with this number, when many calls run at the same moment. */
  adapter(call: number): RecordStore {
    return call % 2 === 0 ? this.one : this.other;
  }

  /** A key that no other check uses. */
  newKey(): string {
    return `check-${randomUUID()}`;
  }

  /** Creates a record, which must succeed. */
  async create(key: string, text: string, lifeMs = HOUR_MS): Promise<void> {
    this.equals("create() of a new record", await this.one.create(key, text, lifeMs), true);
  }

  /** Reads a record, which must be this one. */
  async reads(key: string, expected: Partial<StoredRecord>, when = ""): Promise<void> {
    this.isRecord(`read()${when}`, await this.one.read(key), expected);
  }

  /** Creates and reads a record whose life must not become shorter than by the time that passes meanwhile. */
  async keepsLife(lifeMs: number): Promise<void> {
    const key = this.newKey();
    const since = performance.now();
    await this.create(key, "text", lifeMs);
    const record = await this.one.read(key);
    const leastMs = Math.floor(lifeMs - (performance.now() - since) - MAX_LOST_MS);
    this.isRecord("read()", record, { lifeMs });
    if (record && record.lifeMs < leastMs)
      this.fail(
        `read() resolved to ${format(record)}`,
        `resolve to a record whose lifeMs is ${leastMs} or more`,
      );
  }

  /** Reads a key that must have no record. */
  async readsNone(key: string, when: string): Promise<void> {
    this.isNone(`read()${when}`, await this.one.read(key));
  }

  /** Lists names, which must be these. */
  async lists(list: string, expected: readonly string[], when = ""): Promise<void> {
    const names = await this.one.index.list(list);
    if (!Array.isArray(names))
      this.fail(`index.list()${when} resolved to ${format(names)}`, "resolve to an array");
    this.equals(`index.list()${when}`, [...names].sort(), [...expected].sort());
  }

  /** Lets a record of SHORT_MS expire. */
  untilExpired(key: string): Promise<void> {
    return this.#until("read() still found a record", async () => isAbsent(await this.one.read(key)));
  }

  /** Lets a name of SHORT_MS expire. */
  untilUnlisted(list: string, name: string): Promise<void> {
    return this.#until(
      "index.list() still had a name",
      async () => !(await this.one.index.list(list)).includes(name),
    );
  }

  async #until(still: string, isGone: () => Promise<boolean>): Promise<void> {
    await this.#letPass(SHORT_MS);
    const since = performance.now();
    while (!(await isGone())) {
      if (performance.now() - since > MAX_WAIT_MS)
        this.fail(
          `${still} ${MAX_WAIT_MS} ms after its life of ${SHORT_MS} ms had ended`,
          "not return it any more",
        );
      await pause(POLL_MS);
    }
  }

  /** Compares what a call resolved to. */
  equals(call: string, actual: unknown, expected: unknown): void {
    if (!isSame(actual, expected))
      this.fail(`${call} resolved to ${format(actual)}`, `resolve to ${format(expected)}`);
  }

  isNone(call: string, actual: unknown): void {
    if (!isAbsent(actual)) this.fail(`${call} resolved to ${format(actual)}`, "resolve to undefined");
  }

  /** Compares a record. Its life may be a minute shorter, and a second longer. */
  isRecord(call: string, actual: unknown, expected: Partial<StoredRecord>): void {
    const did = `${call} resolved to ${format(actual)}`;
    if (isAbsent(actual)) this.fail(did, `resolve to a record with ${format(expected)}`);
    const { text, version, lifeMs } = actual as StoredRecord;
    if (expected.text !== undefined && text !== expected.text)
      this.fail(did, `resolve to a record whose text is ${format(expected.text)}`);
    if (expected.version !== undefined && version !== expected.version)
      this.fail(did, `resolve to a record whose version is the number ${expected.version}`);
    if (expected.lifeMs !== undefined && !isLife(lifeMs, expected.lifeMs))
      this.fail(did, `resolve to a record whose lifeMs is a number of about ${expected.lifeMs} milliseconds`);
  }

  /** Expects that one of many calls succeeded. */
  isOne(call: string, succeeded: readonly boolean[]): void {
    const count = succeeded.filter((isOk) => isOk).length;
    if (count !== 1)
      this.fail(`${call} succeeded for ${count} of ${succeeded.length} callers`, "succeed for one");
  }

  fail(did: string, must: string, cause?: unknown): never {
    throw new CheckFailed(`${did}.\nIt must ${must}.\nIf it does not, ${this.#risk}.`, { cause });
  }
}

/** A guard of ours takes the null of a database for undefined. */
const isAbsent = (value: unknown): boolean => value === undefined || value === null;

const isLife = (lifeMs: unknown, expectedMs: number): boolean =>
  typeof lifeMs === "number" && lifeMs > expectedMs - READ_LATE_MS && lifeMs <= expectedMs + ROUNDED_UP_MS;

const isSame = (actual: unknown, expected: unknown): boolean =>
  Array.isArray(expected)
    ? Array.isArray(actual) &&
      actual.length === expected.length &&
      actual.every((one, at) => one === expected[at])
    : actual === expected;

const format = (value: unknown): string =>
  inspect(value, { breakLength: Number.POSITIVE_INFINITY, maxStringLength: 80, maxArrayLength: 5 });

/** Makes a list of this length. */
export const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at));
