import type { Request } from "express";
import { PortalAuthError } from "../errors.js";
import { holderOf, type Instance } from "./holder.js";
import { FORM_KEY, KeptForms, type PendingForm } from "./kept-forms.js";
import { loginOf } from "./request-login.js";
import { storeFailed } from "./store-failed.js";

type Holding = { [FORM_KEY]?: unknown } | undefined;

/**
 * The form that waits for the person of this session, as far as the session knows. An application may write
 * to it.
 */
export function pendingForm(on: Request, instance: Instance): PendingForm | undefined {
  const { id, back } = Object((holderOf(on, instance).session as Holding)?.[FORM_KEY]) as Partial<PendingForm>;
  return typeof id === "string" && typeof back === "string" ? { id, back } : undefined;
}

/** From now on no form waits in this session. */
export function forgetForm(on: Request, instance: Instance): void {
  delete (holderOf(on, instance).session as Holding)?.[FORM_KEY];
}

/**
 * Works with the forms that are kept where this request's login is kept.
 *
 * @throws PortalAuthError `session_store_failed`, `session_missing`
 */
export async function withForms<T>(
  on: Request,
  instance: Instance,
  work: (forms: KeptForms) => Promise<T>,
): Promise<T> {
  const current = loginOf(on, instance);
  if (!current) throw new PortalAuthError("session_missing");
  try {
    return await work(new KeptForms(current.place.logins.records));
  } catch (cause) {
    throw storeFailed("form", cause);
  }
}
