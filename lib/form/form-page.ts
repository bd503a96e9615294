import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { setFormResponseHeaders } from "../answer/response-headers.js";
import { getOrigin, type RequestContext, type RouterContext } from "../context/router-context.js";
import type { Claims } from "../contract/tokens.js";
import type { Words } from "../errors/page-texts/words.js";
import { isSameOrigin } from "../http/csrf.js";
import { getRouteUrl, getStartPage } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import { readPendingForm, removePendingForm } from "../session/pending-form.js";
import { readSession } from "../session/request-session.js";
import { decryptForm, type SavedForm } from "./encrypt-form.js";
import { type SavedForms, withSavedForms } from "./saved-forms.js";

/** The query of the button that discards the form. The other button posts only fields of the application. */
const DISCARD_PARAMETER = "discard";

/**
 * Creates the step for GET /login/form. It sends a page that names the signed-in user and asks whether to
 * send the saved form.
 */
export function createFormStep(router: RouterContext) {
  return async function form({ req, res, mount }: RequestContext): Promise<void> {
    const { pages, settings } = router;
    const pendingForm = await loadPendingForm(router, req, (forms, id) => forms.load(id));
    if (!pendingForm)
      return pages.send(req, res, ({ titles, labels, formGone }) => ({
        kind: "form",
        title: titles.noForm,
        text: formGone,
        actions: [{ label: labels.startPage, href: getStartPage(settings, mount) }],
      }));
    const post = getFormPageUrl(router, mount);
    const name = getUserName(readSession(req, settings)?.claims);
    const page = (words: Words) => ({
      kind: "form" as const,
      title: words.titles.sendForm,
      text: insertUserName(words.formQuestion, name),
      actions: [
        { label: words.labels.sendNow, post, fields: [...new URLSearchParams(pendingForm.body)] },
        { label: words.labels.doNotSend, post: `${post}?${DISCARD_PARAMETER}`, fields: [] },
      ],
      footnote: pendingForm.to,
    });
    await pages.send(req, res, page, setFormResponseHeaders);
  };
}

/**
 * Creates the step for POST /login/form, to which the user posts the form from our page. A 307 makes the
 * browser post it again to its own URL, where the guard admits it once. With the other button the form is
 * discarded.
 */
export function createSendFormStep(router: RouterContext) {
  return async function sendForm({ req, res, mount }: RequestContext): Promise<void> {
    const redirectToPage = () => redirect(res, 303, getFormPageUrl(router, mount));
    if (!isSameOrigin(req.headers, getOrigin(router))) return redirectToPage();
    if (readQuery(req).has(DISCARD_PARAMETER))
      return redirect(res, 303, await discardForm(router, req, mount));
    const pendingForm = await loadPendingForm(router, req, (forms, id) => forms.loadForRedirect(id));
    if (pendingForm) redirect(res, 307, pendingForm.to, setFormResponseHeaders);
    else redirectToPage(); // the page reports that there is no form
  };
}

/** Returns the URL of our page, as the browser sees it. */
export const getFormPageUrl = ({ settings }: RouterContext, mount: string): string =>
  getRouteUrl(settings, mount, String(settings.routes.form));

/** Returns the form that waits for the user of this request. A form that cannot be decrypted is discarded. */
async function loadPendingForm(
  router: RouterContext,
  req: Request,
  load: (forms: SavedForms, id: string) => Promise<string | undefined>,
): Promise<SavedForm | undefined> {
  const { settings } = router;
  const pending = readSession(req, settings) && readPendingForm(req, settings);
  if (!pending) return undefined;
  const { id } = pending;
  const encrypted = await withSavedForms(req, settings, (forms) => load(forms, id));
  if (encrypted === undefined) return undefined;
  const form = decryptForm(router, id, encrypted);
  if (!form) await removeForm(router, req, id);
  return form;
}

/** Discards the form, and returns the URL of the page for its user. */
async function discardForm(router: RouterContext, req: Request, mount: string): Promise<string> {
  const startPageUrl = getStartPage(router.settings, mount);
  const pending = readPendingForm(req, router.settings);
  if (!pending) return startPageUrl;
  await removeForm(router, req, pending.id);
  return sanitizeReturnTo(pending.back, startPageUrl);
}

async function removeForm({ settings }: RouterContext, req: Request, id: string): Promise<void> {
  await withSavedForms(req, settings, (forms) => forms.remove(id));
  removePendingForm(req, settings);
}

/**
 * Inserts the name of the user. It is appended to a text of the application that has no `{name}`, because the
 * user must see who is signed in.
 */
const insertUserName = (question: string, name: string): string =>
  question.includes("{name}") ? question.replaceAll("{name}", () => name) : `${question} ${name}`;

/** Returns the first name that the claims have. */
function getUserName({ name, preferred_username, nickname, email, sub }: Partial<Claims> = {}): string {
  const names: unknown[] = [name, preferred_username, nickname, email, sub];
  return names.find((value): value is string => typeof value === "string" && value !== "") ?? "";
}
