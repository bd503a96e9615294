import type { RouterContext } from "../context/router-context.js";

/** A form that is kept, before it is encrypted. */
export interface SavedForm {
  /** The id that it is kept under. It is encrypted with the form, so the form is not valid under another id. */
  readonly id: string;
  /** The address that it was posted to: a path of this site. */
  readonly to: string;
  /** The body, as it was posted. */
  readonly body: string;
}

export const encryptForm = ({ formEncryption: forms }: RouterContext, form: SavedForm): string =>
  forms.encrypt(form);

/** Returns undefined if the text was changed, is kept under another id, or was encrypted with an unknown secret. */
export function decryptForm(
  { formEncryption: forms }: RouterContext,
  id: string,
  encrypted: string,
): SavedForm | undefined {
  const form = forms.decrypt(encrypted) as SavedForm | undefined;
  return form?.id === id ? form : undefined;
}
