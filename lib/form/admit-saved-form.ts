import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import type { RequestContext, RouterContext } from "../context/router-context.js";
import { readPendingForm, removePendingForm } from "../session/pending-form.js";
import { getFormPageUrl } from "./form-page.js";
import { describePostedForm } from "./save-form.js";
import { withSavedForms } from "./saved-forms.js";

/** Returns whether the session of this request has a saved form that waits for its user. Does no I/O. */
export const hasPendingForm = ({ settings }: RouterContext, req: Request): boolean =>
  readPendingForm(req, settings) !== undefined;

/**
 * Admits a saved form that the user has sent. It passes once, regardless of the number of clicks and of
 * processes. A request that is not the saved form passes too.
 *
 * @returns whether the request passes; if not, a response was sent
 * @throws PortalAuthError `session_store_failed`: it is unknown whether the form has arrived before
 */
export async function admitSavedForm(router: RouterContext, request: RequestContext): Promise<boolean> {
  const { req, res, mount } = request;
  const { settings } = router;
  const pending = readPendingForm(req, settings);
  const posted = describePostedForm(router, request);
  if (!pending || !posted) return true;
  const arrival = await withSavedForms(req, settings, (forms) => forms.recordArrival(pending.id, posted));
  if (arrival === "again") {
    redirect(res, 303, getFormPageUrl(router, mount));
    return false;
  }
  // After "first" the id stays in the session, because the browser may send the form again.
  if (arrival === "gone") removePendingForm(req, settings);
  return true;
}
