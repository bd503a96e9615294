import type { Parts } from "../context/router-context.js";

/** A form that is kept, before it is encrypted. */
export interface SealedForm {
  /** The id that it is kept under. It is encrypted with the form, so the form is not valid under another id. */
  readonly id: string;
  /** The address that it was posted to: a path of this site. */
  readonly to: string;
  /** The body, as it was posted. */
  readonly body: string;
}

export const sealForm = ({ forms }: Parts, form: SealedForm): string => forms.seal(form);

/** Returns undefined if the text was changed, is kept under another id, or was encrypted with an unknown secret. */
export function openForm({ forms }: Parts, id: string, sealed: string): SealedForm | undefined {
  const form = forms.open(sealed) as SealedForm | undefined;
  return form?.id === id ? form : undefined;
}
