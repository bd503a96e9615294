import type { Request } from "express";
import { holderOf, type Instance } from "./holder.js";
import { FORM_KEY, type KeptForms, type PendingForm } from "./kept-forms.js";
import { placeOf, storeFailed } from "./session.js";

type Holding = { [FORM_KEY]?: unknown } | undefined;

/** The form that waits for the person of this session, as far as the session knows. An application may write to it. */
export function pendingForm(on: Request, instance: Instance): PendingForm | undefined {
  const { id, back } = Object((holderOf(on, instance).session as Holding)?.[FORM_KEY]) as Partial<PendingForm>;
  return typeof id === "string" && typeof back === "string" ? { id, back } : undefined;
}

/** From now on no form waits in this session. */
export function forgetForm(on: Request, instance: Instance): void {
  delete (holderOf(on, instance).session as Holding)?.[FORM_KEY];
}

/**
 * Asks for what is kept of forms, where this request's session is kept.
 *
 * @throws PortalAuthError `session_store_failed`
 */
export async function withForms<T>(
  on: Request,
  instance: Instance,
  work: (forms: KeptForms) => Promise<T>,
): Promise<T> {
  try {
    return await work(placeOf(on, instance).keeper.forms);
  } catch (cause) {
    throw storeFailed("form", cause);
  }
}
