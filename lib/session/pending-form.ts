import type { Request } from "express";
import { holderOf, type Instance } from "./holder.js";

/** The session key of the form that waits for the user of the session. */
export const FORM_KEY = "portal_form";

/** What a session keeps of a form that waits for its user. */
export interface PendingForm {
  /** Unguessable: with it the form can be sent. */
  readonly id: string;
  /** Where the user goes if the form is not to be sent: a path of this site. */
  readonly back: string;
}

type Holding = { [FORM_KEY]?: unknown } | undefined;

/** Returns the form that waits for the user of this session. Applications can write to their sessions. */
export function pendingForm(on: Request, instance: Instance): PendingForm | undefined {
  const { id, back } = Object(
    (holderOf(on, instance).session as Holding)?.[FORM_KEY],
  ) as Partial<PendingForm>;
  return typeof id === "string" && typeof back === "string" ? { id, back } : undefined;
}

/** Removes the form from this session. */
export function forgetForm(on: Request, instance: Instance): void {
  delete (holderOf(on, instance).session as Holding)?.[FORM_KEY];
}
