import type { Request } from "express";
import { getRecords } from "../session/request-session.js";
import type { PortalAuthInstance } from "../session/session-holder.js";
import type { RecordStore } from "../store/record-store.js";
import { retryCompareAndSet } from "../store/retry-compare-and-set.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { sha256 } from "../util/sha256.js";

/** What is known of a posted form before its body is read. */
export interface PostedForm {
  readonly to: string;
  /** Of the body, in bytes. */
  readonly length: number;
}

/**
 * What a posted form is: the kept form for the first time, the kept form again, or another form; or no form
 * is kept any more.
 */
export type Arrival = "first" | "again" | "other" | "gone";

/** How long a form is kept, in milliseconds. */
export const FORM_LIFE_MS = 10 * 60_000;
/**
 * How long it is remembered that a form has arrived. A browser that was redirected once more is there by
 * then.
 */
const ARRIVED_LIFE_MS = 60_000;

interface StoredForm {
  /** Absent once it has arrived. */
  readonly sealed?: string | undefined;
  /** The hash of what is seen of it. */
  readonly posted: string;
  /** How many times a browser was sent on to its address, and has not come there. */
  readonly under_way: number;
}

const WRITTEN = { outcome: undefined };

/**
 * Forms that wait until the user has logged in, beside the logins. A click releases a form, and the form
 * counts as sent when the browser has brought it to its address. So a second click, which cancels the first,
 * loses nothing, and only one of all that arrive passes.
 */
export class SavedForms {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  async save(id: string, posted: PostedForm, sealed: string): Promise<void> {
    const content: StoredForm = { sealed, posted: hashPostedForm(posted), under_way: 0 };
    await this.#records.create(toRecordKey(id), JSON.stringify(content), FORM_LIFE_MS);
  }

  /** Returns the form, if it has not arrived. It is kept for as long again. */
  load(id: string): Promise<string | undefined> {
    return this.#loadAndExtend(id, 0);
  }

  /** Returns the form for a browser that is redirected to its address. */
  loadForRedirect(id: string): Promise<string | undefined> {
    return this.#loadAndExtend(id, 1);
  }

  async recordArrival(id: string, posted: PostedForm): Promise<Arrival> {
    let arrival: Arrival = "gone";
    await this.#update(id, (content) => {
      arrival = content ? classifyArrival(content, posted) : "gone";
      if (!content || arrival === "other") return undefined;
      return { posted: content.posted, under_way: content.under_way - 1 };
    });
    return arrival;
  }

  async remove(id: string): Promise<void> {
    await this.#records.remove(toRecordKey(id));
  }

  async #loadAndExtend(id: string, more: 0 | 1): Promise<string | undefined> {
    let sealed: string | undefined;
    await this.#update(id, (content) => {
      sealed = content?.sealed;
      return content && sealed !== undefined
        ? { ...content, under_way: content.under_way + more }
        : undefined;
    });
    return sealed;
  }

  /** @param change may be called several times; undefined leaves the form as it is */
  async #update(
    id: string,
    change: (content: StoredForm | undefined) => StoredForm | undefined,
  ): Promise<void> {
    await retryCompareAndSet(async () => {
      const stored = await this.#records.read(toRecordKey(id));
      const next = change(stored && parseStoredForm(stored.text));
      if (!next || !stored) return WRITTEN;
      const lifeMs = next.sealed === undefined ? ARRIVED_LIFE_MS : FORM_LIFE_MS;
      const isWritten = await this.#records.replace(
        toRecordKey(id),
        stored.version,
        JSON.stringify(next),
        lifeMs,
      );
      return isWritten ? WRITTEN : undefined;
    });
  }
}

const toRecordKey = (id: string): string => `f:${sha256(id)}`;

/**
 * A form that we did not redirect, or that has arrived already, is another one: perhaps the same, filled in
 * once more.
 */
function classifyArrival({ sealed, posted: postedHash, under_way }: StoredForm, posted: PostedForm): Arrival {
  if (under_way < 1 || postedHash !== hashPostedForm(posted)) return "other";
  return sealed === undefined ? "again" : "first";
}

const hashPostedForm = ({ to, length }: PostedForm): string => sha256(`${length} ${to}`);

/** Others may write to the store. */
function parseStoredForm(text: string): StoredForm | undefined {
  const { sealed, posted, under_way } = Object(parseJsonObject(text)) as Partial<StoredForm>;
  if (typeof posted !== "string" || typeof under_way !== "number") return undefined;
  return { sealed: typeof sealed === "string" ? sealed : undefined, posted, under_way };
}

/**
 * Works with the forms that are kept where this request's login is kept.
 *
 * @throws PortalAuthError `session_store_failed`, `session_missing`
 */
export async function withSavedForms<T>(
  on: Request,
  instance: PortalAuthInstance,
  work: (forms: SavedForms) => Promise<T>,
): Promise<T> {
  const forms = new SavedForms(getRecords(on, instance));
  try {
    return await work(forms);
  } catch (cause) {
    throw wrapStoreFailure("form", cause);
  }
}
