import type { Request } from "express";
import { getRecords } from "../session/request-session.js";
import type { PortalAuthInstance } from "../session/session-holder.js";
import type { RecordStore } from "../store/record-store.js";
import { retryCompareAndSet } from "../store/retry-compare-and-set.js";
import { wrapStoreFailure } from "../store/wrap-store-failure.js";
import { parseJsonObject } from "../util/parse-json-object.js";
import { sha256 } from "../util/sha256.js";

/** Describes a posted form before its body is read. */
export interface PostedForm {
  /** The URL that the form was posted to: a path of this site. */
  readonly to: string;
  /** The length of the body in bytes. NaN if the request does not state it. */
  readonly length: number;
}

/**
 * The kind of a posted form:
 *
 * - `first`: the saved form, for the first time
 * - `again`: the saved form, once more
 * - `other`: another form
 * - `gone`: there is no saved form any more
 */
export type Arrival = "first" | "again" | "other" | "gone";

/** How long a form is stored, in milliseconds. */
export const FORM_LIFE_MS = 10 * 60_000;
/**
 * How long it is remembered that a form has arrived, in milliseconds. That is enough time for a browser that
 * was redirected once more.
 */
const ARRIVED_LIFE_MS = 60_000;

interface StoredForm {
  /** The encrypted form. Omitted after it has arrived. */
  readonly sealed?: string | undefined;
  /** The hash of its PostedForm. */
  readonly posted: string;
  /** The number of redirects to its URL that no browser has followed yet. */
  readonly under_way: number;
}

const WRITTEN = { outcome: undefined };

/**
 * Stores forms that wait until the user has signed in, in the store of the sessions. A click on our page
 * releases a form. The form counts as sent when the browser has posted it to its URL. A second click cancels
 * the first request in the browser. In that case the form is not lost. Only one of the requests that arrive
 * passes.
 */
export class SavedForms {
  readonly #records: RecordStore;

  constructor(records: RecordStore) {
    this.#records = records;
  }

  /** Stores an encrypted form. */
  async save(id: string, posted: PostedForm, sealed: string): Promise<void> {
    const content: StoredForm = { sealed, posted: hashPostedForm(posted), under_way: 0 };
    await this.#records.create(toRecordKey(id), JSON.stringify(content), FORM_LIFE_MS);
  }

  /** Returns the encrypted form unless it has arrived. It is then stored for another ten minutes. */
  load(id: string): Promise<string | undefined> {
    return this.#loadAndExtend(id, 0);
  }

  /** Returns the encrypted form, and records that the browser is redirected to its URL. */
  loadForRedirect(id: string): Promise<string | undefined> {
    return this.#loadAndExtend(id, 1);
  }

  /** Classifies a posted form, and records its arrival if it is the saved one. */
  async recordArrival(id: string, posted: PostedForm): Promise<Arrival> {
    let arrival: Arrival = "gone";
    await this.#update(id, (content) => {
      arrival = content ? classifyArrival(content, posted) : "gone";
      if (!content || arrival === "other") return undefined;
      return { posted: content.posted, under_way: content.under_way - 1 };
    });
    return arrival;
  }

  /** Removes a form. */
  async remove(id: string): Promise<void> {
    await this.#records.remove(toRecordKey(id));
  }

  async #loadAndExtend(id: string, redirects: 0 | 1): Promise<string | undefined> {
    let sealed: string | undefined;
    await this.#update(id, (content) => {
      sealed = content?.sealed;
      return content && sealed !== undefined
        ? { ...content, under_way: content.under_way + redirects }
        : undefined;
    });
    return sealed;
  }

  /** @param change may be called several times; returns undefined if the form stays as it is */
  async #update(
    id: string,
    change: (content: StoredForm | undefined) => StoredForm | undefined,
  ): Promise<void> {
    await retryCompareAndSet(async () => {
      const stored = await this.#records.read(toRecordKey(id));
      const next = change(stored && parseStoredForm(stored.text));
      if (!next || !stored) return WRITTEN;
      const lifeMs = next.sealed === undefined ? ARRIVED_LIFE_MS : FORM_LIFE_MS;
      const isReplaced = await this.#records.replace(
        toRecordKey(id),
        stored.version,
        JSON.stringify(next),
        lifeMs,
      );
      return isReplaced ? WRITTEN : undefined;
    });
  }
}

const toRecordKey = (id: string): string => `f:${sha256(id)}`;

/**
 * Classifies a posted form. Without an open redirect it is another form, perhaps with the same content: the
 * user has filled it in again.
 */
function classifyArrival({ sealed, posted: postedHash, under_way }: StoredForm, posted: PostedForm): Arrival {
  if (under_way < 1 || postedHash !== hashPostedForm(posted)) return "other";
  return sealed === undefined ? "again" : "first";
}

const hashPostedForm = ({ to, length }: PostedForm): string => sha256(`${length} ${to}`);

/** Parses a record. Returns undefined for invalid content, because others may write to the store. */
function parseStoredForm(text: string): StoredForm | undefined {
  const { sealed, posted, under_way } = Object(parseJsonObject(text)) as Partial<StoredForm>;
  if (typeof posted !== "string" || typeof under_way !== "number") return undefined;
  return { sealed: typeof sealed === "string" ? sealed : undefined, posted, under_way };
}

/**
 * Calls a function with the saved forms in the store that contains the session of this request.
 *
 * @throws PortalAuthError `session_store_failed`, `session_missing`
 */
export async function withSavedForms<T>(
  req: Request,
  instance: PortalAuthInstance,
  task: (forms: SavedForms) => Promise<T>,
): Promise<T> {
  const forms = new SavedForms(getRecords(req, instance));
  try {
    return await task(forms);
  } catch (cause) {
    throw wrapStoreFailure("form", cause);
  }
}
