import type { Request } from "express";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

/** The session key of the form that waits for the user of the session. */
export const FORM_KEY = "portal_form";

/** What a session keeps of a form that waits for its user. */
export interface PendingForm {
  /** Unguessable: with it the form can be sent. */
  readonly id: string;
  /** Where the user goes if the form is not to be sent: a path of this site. */
  readonly back: string;
}

type SessionWithForm = { [FORM_KEY]?: unknown } | undefined;

/** Returns the form that waits for the user of this session. Applications can write to their sessions. */
export function readPendingForm(on: Request, instance: PortalAuthInstance): PendingForm | undefined {
  const { id, back } = Object(
    (getSessionHolder(on, instance).session as SessionWithForm)?.[FORM_KEY],
  ) as Partial<PendingForm>;
  return typeof id === "string" && typeof back === "string" ? { id, back } : undefined;
}

/** Removes the form from this session. */
export function removePendingForm(on: Request, instance: PortalAuthInstance): void {
  delete (getSessionHolder(on, instance).session as SessionWithForm)?.[FORM_KEY];
}
