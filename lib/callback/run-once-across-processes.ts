import type { Request } from "express";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import { getRecords } from "../session/request-session.js";
import type { PortalAuthInstance } from "../session/session-holder.js";
import { createRecordOnce } from "../store/create-record-once.js";
import type { RecordStore } from "../store/record-store.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import type { Encryption } from "../util/encryption.js";
import { pause } from "../util/pause.js";
import { sha256 } from "../util/sha256.js";

/** A callback that may finish a login attempt. */
export interface AttemptCallback {
  /** The id of the attempt. */
  readonly id: string;
  /** The authorization code of this callback. */
  readonly code: string;
  /** How long the attempt can be finished, in milliseconds. */
  readonly lifeMs: number;
}

export interface RunOnceOptions {
  /**
   * Encrypts the record in the store, because its outcome names a session that the browser gets a cookie for.
   */
  readonly encryption: Encryption;
  /** How long a callback waits for another process, in milliseconds. */
  readonly waitMs: number;
  /** Called before this callback waits for another process. */
  readonly onWait: () => void;
}

/**
 * Why a callback does not share an outcome. "another code": the attempt was claimed with another code. "too
 * late": the outcome is older than SHARE_OUTCOME_MS.
 */
export type NotShared = "another code" | "too late";

/** A double click needs no more time. Later on, a copied cookie must be worthless. In milliseconds. */
export const SHARE_OUTCOME_MS = 10_000;

type AttemptOutcome<Finished> =
  | { readonly finished: Finished }
  | { readonly failed: PortalAuthErrorCode; readonly sentence: string };

/** The record of a claimed attempt in the store. Its members are a stored format. */
interface AttemptRecord<Finished> {
  /** The key of the record. A record that was copied from another key is ignored. */
  readonly key: string;
  /** The hash of the code. An attacker can send a very long code, so the code itself is not stored. */
  readonly code: string;
  readonly outcome?: AttemptOutcome<Finished>;
}

const FIRST_POLL_MS = 50;
const MAX_POLL_MS = 500;

/**
 * Runs the work of one login attempt once among all processes that share the store. If another process has
 * claimed the attempt, this callback waits for its outcome. The code is sent once, because a provider revokes
 * the tokens of a code that is sent a second time (RFC 6749, section 4.1.2).
 *
 * @returns in these cases:
 *   - The work succeeds, here or in the other process: its result.
 *   - "another code": the attempt was claimed with another code.
 *   - "too late": the work of the other process ended more than ten seconds ago, with success or without.
 * @throws in these cases:
 *   - The work fails here. Its error is rethrown unchanged.
 *   - The work fails in the other process. The PortalAuthError has the same code and user message. If the
 *     error there was no PortalAuthError, the code is `unexpected`.
 *   - `login_expired`: the other process does not finish in time or cannot save its outcome, or its record is
 *     missing or invalid.
 *   - `session_store_failed`: the attempt cannot be claimed, or the outcome cannot be read.
 *   - `session_missing`: the request has no session.
 */
export async function runOnceAcrossProcesses<Finished>(
  on: Request,
  instance: PortalAuthInstance,
  callback: AttemptCallback,
  options: RunOnceOptions,
  work: () => Promise<Finished>,
): Promise<Finished | NotShared> {
  const attempt = new AttemptClaim<Finished>(getRecords(on, instance), callback, options);
  if (!(await attempt.claim())) {
    options.onWait();
    return attempt.waitForOutcome();
  }
  try {
    const finished = await work();
    await attempt.saveOutcome({ finished });
    return finished;
  } catch (error) {
    const { code, sentence } = error instanceof PortalAuthError ? error : new PortalAuthError("unexpected");
    await attempt.saveOutcome({ failed: code, sentence });
    throw error;
  }
}

/** The claim of one attempt in the store. */
class AttemptClaim<Finished> {
  readonly #records: RecordStore;
  readonly #callback: AttemptCallback;
  readonly #options: RunOnceOptions;
  readonly #record: AttemptRecord<Finished>;

  constructor(records: RecordStore, callback: AttemptCallback, options: RunOnceOptions) {
    this.#records = records;
    this.#callback = callback;
    this.#options = options;
    this.#record = { key: `a:${sha256(callback.id)}`, code: sha256(callback.code) };
  }

  /**
   * Claims the attempt. Resolves to false if another process has claimed it.
   *
   * @throws PortalAuthError `session_store_failed`
   */
  async claim(): Promise<boolean> {
    // Each encryption gives another text. createRecordOnce() recognizes its own record by this text.
    const text = this.#options.encryption.encrypt(this.#record);
    try {
      return await createRecordOnce(this.#records, this.#record.key, text, this.#callback.lifeMs);
    } catch (error) {
      throw wrapStoreFailure("begin", error);
    }
  }

  /**
   * Saves the outcome for other processes. If the store fails, they wait until their time is over. The login
   * itself is not affected.
   */
  async saveOutcome(outcome: AttemptOutcome<Finished>): Promise<void> {
    const text = this.#options.encryption.encrypt({ ...this.#record, outcome });
    await this.#records.replace(this.#record.key, 1, text, this.#callback.lifeMs).catch(() => {});
  }

  /**
   * Reads the record of another process until it has an outcome. The pause between two reads grows from 50 ms
   * to 500 ms.
   *
   * @returns the result of that process, or a NotShared
   * @throws PortalAuthError in these cases:
   *   - The failure of the other process.
   *   - `login_expired`: there is no outcome after `waitMs`, or the record is missing or cannot be decrypted.
   *   - `session_store_failed`.
   */
  async waitForOutcome(): Promise<Finished | NotShared> {
    const giveUpAt = performance.now() + this.#options.waitMs;
    let pollMs = FIRST_POLL_MS;
    while (performance.now() < giveUpAt) {
      const stored = await this.#records.read(this.#record.key);
      const record = stored && this.#decrypt(stored.text);
      if (!stored || !record) break;
      if (record.code !== this.#record.code) return "another code";
      if (record.outcome) return this.#toResult(record.outcome, stored.lifeMs);
      await pause(pollMs);
      pollMs = Math.min(1.5 * pollMs, MAX_POLL_MS);
    }
    throw new PortalAuthError("login_expired", {
      detail: "another process has this login's code and does not finish it",
    });
  }

  /**
   * Returns the outcome of another process, or throws its failure. The record's lifetime started again when
   * the outcome was saved, so the remaining lifetime shows the outcome's age.
   */
  #toResult(outcome: AttemptOutcome<Finished>, lifeMs: number): Finished | "too late" {
    if (this.#callback.lifeMs - lifeMs >= SHARE_OUTCOME_MS) return "too late";
    if ("finished" in outcome) return outcome.finished;
    const { failed, sentence } = outcome;
    throw new PortalAuthError(failed, { sentence, detail: "in another process" });
  }

  #decrypt(text: string): AttemptRecord<Finished> | undefined {
    const record = this.#options.encryption.decrypt(text) as AttemptRecord<Finished> | undefined;
    return record?.key === this.#record.key ? record : undefined;
  }
}
