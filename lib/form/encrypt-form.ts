import type { RouterContext } from "../context/router-context.js";

/** A saved form, before it is encrypted. */
export interface SavedForm {
  /** The id of its record. It is encrypted with the form, so the form is not valid under another id. */
  readonly id: string;
  /** The URL that the form was posted to: a path of this site. */
  readonly to: string;
  /** The body, exactly as it was posted. */
  readonly body: string;
}

/**
 * Encrypts a form with `formEncryption`, which createRouterContext() creates: its key is derived from the
 * secret of the router, for forms alone.
 */
export const encryptForm = ({ formEncryption }: RouterContext, form: SavedForm): string =>
  formEncryption.encrypt(form);

/**
 * Decrypts a form. Returns undefined if the text was changed, was saved under another id, or was encrypted
 * with an unknown secret.
 */
export function decryptForm(
  { formEncryption }: RouterContext,
  id: string,
  encrypted: string,
): SavedForm | undefined {
  const form = formEncryption.decrypt(encrypted) as SavedForm | undefined;
  return form?.id === id ? form : undefined;
}
