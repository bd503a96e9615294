import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import type { Parts, Visit } from "../context/router-context.js";
import { forgetForm, pendingForm } from "../session/pending-form.js";
import { pageOf } from "./form.js";
import { postedBy } from "./keep-form.js";
import { withForms } from "./kept-forms.js";

/** Whether the session of this request has a form that waits for its user. Does no I/O. */
export const isFormPending = ({ settings }: Parts, req: Request): boolean =>
  pendingForm(req, settings) !== undefined;

/**
 * Lets a kept form pass that the user has sent: once, however many clicks and processes there are.
 *
 * @returns whether the request may pass; if not, it was answered
 * @throws PortalAuthError `session_store_failed`: it is unknown whether the form has arrived before
 */
export async function letFormArrive(parts: Parts, visit: Visit): Promise<boolean> {
  const { req, res, mount } = visit;
  const { settings } = parts;
  const pending = pendingForm(req, settings);
  const posted = postedBy(parts, visit);
  if (!pending || !posted) return true;
  const arrival = await withForms(req, settings, (forms) => forms.arrive(pending.id, posted));
  if (arrival === "again") {
    redirect(res, 303, pageOf(parts, mount));
    return false;
  }
  if (arrival === "gone") forgetForm(req, settings); // not earlier: the browser may send it again
  return true;
}
