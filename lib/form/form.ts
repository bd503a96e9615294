import type { Request } from "express";
import { redirect } from "../answer/redirect.js";
import { formHeaders } from "../answer/response-headers.js";
import { originOf, type Parts, type Visit } from "../context/router-context.js";
import type { Words } from "../contract/page-parts.js";
import type { Claims } from "../contract/tokens.js";
import { isSameOrigin } from "../http/csrf.js";
import { linkTo, startPage } from "../http/external-url.js";
import { readQuery } from "../http/parameters.js";
import { returnTo } from "../http/return-to.js";
import { forgetForm, pendingForm } from "../session/pending-form.js";
import { readSession } from "../session/session.js";
import { type KeptForms, withForms } from "./kept-forms.js";
import { openForm, type SealedForm } from "./sealed-form.js";

/** The query of the "do not send" button. The other button posts only fields of the application. */
const DISCARD = "discard";

/** Answers GET /login/form with a page that names the signed-in user, and asks whether to send the kept form. */
export function formStep(parts: Parts) {
  return async function form({ req, res, mount }: Visit): Promise<void> {
    const { pages, settings } = parts;
    const waiting = await waitingForm(parts, req, (forms, id) => forms.look(id));
    if (!waiting)
      return pages.send(req, res, ({ titles, labels, formGone }) => ({
        kind: "form",
        title: titles.noForm,
        text: formGone,
        actions: [{ label: labels.startPage, href: startPage(settings, mount) }],
      }));
    const post = pageOf(parts, mount);
    const name = nameOf(readSession(req, settings)?.claims);
    const page = (words: Words) => ({
      kind: "form" as const,
      title: words.titles.sendForm,
      text: withName(words.formQuestion, name),
      actions: [
        { label: words.labels.sendNow, post, fields: [...new URLSearchParams(waiting.body)] },
        { label: words.labels.doNotSend, post: `${post}?${DISCARD}`, fields: [] },
      ],
      footnote: waiting.to,
    });
    await pages.send(req, res, page, formHeaders);
  };
}

/**
 * Answers POST /login/form. The user has posted the form itself. A 307 makes the browser post it again to its own address,
 * where the guard lets it pass once. With the "do not send" button the form is discarded.
 */
export function postedFormStep(parts: Parts) {
  return async function sendForm({ req, res, mount }: Visit): Promise<void> {
    const ask = () => redirect(res, 303, pageOf(parts, mount));
    if (!isSameOrigin(req.headers, originOf(parts))) return ask();
    if (readQuery(req).has(DISCARD)) return redirect(res, 303, await discard(parts, req, mount));
    const waiting = await waitingForm(parts, req, (forms, id) => forms.release(id));
    if (waiting) redirect(res, 307, waiting.to, formHeaders);
    else ask(); // that page says that there is no form
  };
}

/** Returns the address of our page, as the browser sees it. */
export const pageOf = ({ settings }: Parts, mount: string): string =>
  linkTo(settings, mount, String(settings.routes.form));

/** Returns the form that waits for the user of this request. A form that cannot be decrypted is discarded. */
async function waitingForm(
  parts: Parts,
  req: Request,
  ask: (forms: KeptForms, id: string) => Promise<string | undefined>,
): Promise<SealedForm | undefined> {
  const { settings } = parts;
  const pending = readSession(req, settings) && pendingForm(req, settings);
  if (!pending) return undefined;
  const { id } = pending;
  const sealed = await withForms(req, settings, (forms) => ask(forms, id));
  if (sealed === undefined) return undefined;
  const form = openForm(parts, id, sealed);
  if (!form) await drop(parts, req, id);
  return form;
}

/** Discards the form, and returns the page for its user. */
async function discard(parts: Parts, req: Request, mount: string): Promise<string> {
  const home = startPage(parts.settings, mount);
  const pending = pendingForm(req, parts.settings);
  if (!pending) return home;
  await drop(parts, req, pending.id);
  return returnTo(pending.back, home);
}

async function drop({ settings }: Parts, req: Request, id: string): Promise<void> {
  await withForms(req, settings, (forms) => forms.drop(id));
  forgetForm(req, settings);
}

/** Adds the name of the user, also to words of the application that omit it: the user must see who is signed in. */
const withName = (question: string, name: string): string =>
  question.includes("{name}") ? question.replaceAll("{name}", () => name) : `${question} ${name}`;

/** Returns the first name that the claims have. */
function nameOf({ name, preferred_username, nickname, email, sub }: Partial<Claims> = {}): string {
  const names: unknown[] = [name, preferred_username, nickname, email, sub];
  return names.find((one): one is string => typeof one === "string" && one !== "") ?? "";
}
