import type { Request } from "express";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";
import type { Instance } from "../session/holder.js";
import { recordsOf } from "../session/session.js";
import { claimKey } from "../store/claim-key.js";
import type { RecordStore } from "../store/records.js";
import { storeFailed } from "../store/store-failed.js";
import type { Encryption } from "../util/encryption.js";
import { pause } from "../util/pause.js";
import { sha256 } from "../util/sha256.js";

/** A callback of a login attempt. */
export interface AttemptCallback {
  /** The id of the attempt. */
  readonly id: string;
  /** The authorization code that the callback has brought. */
  readonly code: string;
  /** How long the attempt can be finished, in milliseconds. */
  readonly lifeMs: number;
}

export interface RunOnceOptions {
  /** Seals what the store keeps: an outcome names a session that the browser gets a signed cookie for. */
  readonly encryption: Encryption;
  /** How long a callback waits for another process, in milliseconds. */
  readonly waitMs: number;
  /** Called before this callback waits for another process. */
  readonly onWait: () => void;
}

/** A double click needs no longer, and a cookie that was copied must be worthless later. In milliseconds. */
export const SHARE_OUTCOME_MS = 10_000;

type AttemptOutcome<Finished> =
  | { readonly finished: Finished }
  | { readonly failed: PortalAuthErrorCode; readonly sentence: string };

/** What the store keeps of a claimed attempt. */
interface AttemptRecord<Finished> {
  /** The key of the record: a claim that was copied from another one is not believed. */
  readonly key: string;
  /** The hash of the code: a code can be long, and anybody can send one. */
  readonly code: string;
  readonly outcome?: AttemptOutcome<Finished>;
}

const FIRST_POLL_MS = 50;
const MAX_POLL_MS = 500;

/**
 * Runs the work of one login attempt once among all processes that share the store. A callback of the same
 * attempt that comes to another process waits for the first one, and returns its outcome. The code is sent
 * once: a provider revokes the tokens of a code that comes a second time (RFC 6749, section 4.1.2).
 *
 * @returns "another code" if a process has got another code for this attempt; "too late" if the outcome is
 *   older than 10 s
 * @throws PortalAuthError what the work throws, here or in the other process; `login_expired` if that does
 *   not come to an end; `session_store_failed` before the work has begun
 */
export async function runOnceAcrossProcesses<Finished>(
  on: Request,
  instance: Instance,
  callback: AttemptCallback,
  options: RunOnceOptions,
  work: () => Promise<Finished>,
): Promise<Finished | "another code" | "too late"> {
  const attempt = new AttemptClaim<Finished>(recordsOf(on, instance), callback, options);
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

/** A login attempt in the store. */
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

  /** Resolves to false if another process has claimed it. */
  async claim(): Promise<boolean> {
    const text = this.#options.encryption.encrypt(this.#record); // another text each time
    try {
      return await claimKey(this.#records, this.#record.key, text, this.#callback.lifeMs);
    } catch (error) {
      throw storeFailed("begin", error);
    }
  }

  /**
   * Keeps the outcome for other processes. If the store fails, they wait in vain. The login itself is not
   * affected.
   */
  async saveOutcome(outcome: AttemptOutcome<Finished>): Promise<void> {
    const text = this.#options.encryption.encrypt({ ...this.#record, outcome });
    await this.#records.replace(this.#record.key, 1, text, this.#callback.lifeMs).catch(() => {});
  }

  async waitForOutcome(): Promise<Finished | "another code" | "too late"> {
    const giveUpAt = performance.now() + this.#options.waitMs;
    for (let wait = FIRST_POLL_MS; performance.now() < giveUpAt; wait = Math.min(1.5 * wait, MAX_POLL_MS)) {
      const stored = await this.#records.read(this.#record.key);
      const claimed = stored && this.#decrypt(stored.text);
      if (!stored || !claimed) break;
      if (claimed.code !== this.#record.code) return "another code";
      if (claimed.outcome) return this.#toResult(claimed.outcome, stored.lifeMs);
      await pause(wait);
    }
    throw new PortalAuthError("login_expired", {
      detail: "another process has this login's code and does not finish it",
    });
  }

  /**
   * The end of the record was moved when the outcome was kept, so the life that is left tells how old that
   * is.
   */
  #toResult(outcome: AttemptOutcome<Finished>, lifeMs: number): Finished | "too late" {
    if (this.#callback.lifeMs - lifeMs >= SHARE_OUTCOME_MS) return "too late";
    if ("finished" in outcome) return outcome.finished;
    const { failed, sentence } = outcome;
    throw new PortalAuthError(failed, { sentence, detail: "in another process" });
  }

  #decrypt(text: string): AttemptRecord<Finished> | undefined {
    const claimed = this.#options.encryption.decrypt(text) as AttemptRecord<Finished> | undefined;
    return claimed?.key === this.#record.key ? claimed : undefined;
  }
}
