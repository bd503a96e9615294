import type { Request } from "express";
import { getSessionHolder, type PortalAuthInstance } from "./session-holder.js";

/** The session key of the form that is sent after the login. */
export const FORM_KEY = "portal_form";

/** A form that was posted before the login. The session refers to it until it is sent after the login. */
export interface PendingForm {
  /** The id of the saved form. It is a secret, because it is enough to send the form. */
  readonly id: string;
  /** The path of this site that the user goes to if the form is not sent. */
  readonly back: string;
}

type SessionWithForm = { [FORM_KEY]?: unknown } | undefined;

/**
 * Returns the pending form of this request's session, or undefined without a form or session.
 * An application can write any value to its session, so an invalid value is ignored.
 */
export function readPendingForm(req: Request, instance: PortalAuthInstance): PendingForm | undefined {
  const session = getSessionHolder(req, instance).session as SessionWithForm;
  const { id, back } = Object(session?.[FORM_KEY]) as Partial<PendingForm>;
  return typeof id === "string" && typeof back === "string" ? { id, back } : undefined;
}

/**
 * Removes the pending form from this request's session, if there is one. The saved form itself stays in the
 * store. The session is not saved here.
 */
export function removePendingForm(req: Request, instance: PortalAuthInstance): void {
  delete (getSessionHolder(req, instance).session as SessionWithForm)?.[FORM_KEY];
}
