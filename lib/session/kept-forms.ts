import { createHash } from "node:crypto";
import type { Clock } from "../clock.js";
import { recordFor, recordId } from "./record.js";
import type { StoredSession } from "./stored.js";
import type { Update } from "./update.js";

/** Where a session keeps what it knows of a form that waits in its store. */
export const FORM_KEY = "portal_form";

/** That itself. */
export interface PendingForm {
  /** Unguessable: who knows it can have the form sent. */
  readonly id: string;
  /** Where the person goes who does not want it sent: a path of this site. */
  readonly back: string;
}

/** A request that may bring a form to where it belongs, by what is seen before its body is read. */
export interface Posted {
  readonly to: string;
  /** Of the body, in bytes. */
  readonly length: number;
}

/**
 * What such a request is: the first that brings the form, one more that brings it, or another one; or no form is kept any
 * more.
 */
export type Arrival = "first" | "again" | "other" | "gone";

/** As long as a login may take. */
export const FORM_LIFE_MS = 10 * 60_000;
/** Of a form that has arrived: a browser that was sent on to its address once more is there by then. */
const ARRIVED_MS = 60_000;

interface Content {
  /** Absent once it has arrived. */
  readonly sealed?: string | undefined;
  /** The hash of what is seen of it. */
  readonly posted: string;
  /** How many times a browser was sent on to its address, and has not come there. */
  readonly under_way: number;
}

/**
 * Forms that wait until somebody has logged in, in the session store beside the sessions. One is released by a click, and
 * counts as sent when the browser has brought it to its address: so a second click, which cancels the first, loses nothing,
 * and of all that come one is let in.
 */
export class KeptForms {
  readonly #update: Update;
  readonly #clock: Clock;

  /** @param update of a store's records, which have an end of their own */
  constructor(update: Update, clock: Clock) {
    this.#update = update;
    this.#clock = clock;
  }

  async keep(id: string, posted: Posted, sealed: string): Promise<void> {
    const record = this.#record({ sealed, posted: hashOf(posted), under_way: 0 });
    await this.#update(recordId("form", id), () => record, { cookie: {} });
  }

  /** The form, if it has not arrived; it is kept for as long again. */
  look(id: string): Promise<string | undefined> {
    return this.#show(id, 0);
  }

  /** The same, for a browser that is sent on to its address. */
  release(id: string): Promise<string | undefined> {
    return this.#show(id, 1);
  }

  async arrive(id: string, posted: Posted): Promise<Arrival> {
    let arrival = "gone" as Arrival;
    const after = await this.#change(id, (content) => {
      arrival = content ? arrivalOf(content, posted) : "gone";
      if (!content || arrival === "other") return undefined;
      return { posted: content.posted, under_way: content.under_way - 1 };
    });
    return arrival === "first" && !after ? "again" : arrival; // it was dropped at the same moment
  }

  async drop(id: string): Promise<void> {
    await this.#update(recordId("form", id), () => null);
  }

  async #show(id: string, more: 0 | 1): Promise<string | undefined> {
    let sealed: string | undefined;
    await this.#change(id, (content) => {
      sealed = content?.sealed;
      return content && sealed !== undefined ? { ...content, under_way: content.under_way + more } : undefined;
    });
    return sealed;
  }

  /** @param change is given undefined for what is none, or none any more */
  #change(
    id: string,
    change: (content: Content | undefined) => Content | undefined,
  ): Promise<StoredSession | undefined> {
    return this.#update(recordId("form", id), (stored) => {
      const next = change(this.#hasEnded(stored) ? undefined : contentOf(stored));
      return next && this.#record(next);
    });
  }

  #record(form: Content) {
    return recordFor(this.#clock, form.sealed === undefined ? ARRIVED_MS : FORM_LIFE_MS, { form });
  }

  /** By our clock: not every store looks at it by itself. */
  #hasEnded({ cookie: { expires } }: StoredSession): boolean {
    return !expires || new Date(expires).getTime() <= this.#clock();
  }
}

/** What was not sent on by us, or is there already, is another one: perhaps the same, filled in once more. */
function arrivalOf({ sealed, posted: its, under_way }: Content, posted: Posted): Arrival {
  if (under_way < 1 || its !== hashOf(posted)) return "other";
  return sealed === undefined ? "again" : "first";
}

const hashOf = ({ to, length }: Posted): string => createHash("sha256").update(`${length} ${to}`).digest("base64url");

/** Others may write to the store. */
function contentOf(stored: StoredSession | undefined): Content | undefined {
  const { sealed, posted, under_way } = Object(stored?.["form"]) as Partial<Content>;
  if (typeof posted !== "string" || typeof under_way !== "number") return undefined;
  return { sealed: typeof sealed === "string" ? sealed : undefined, posted, under_way };
}
