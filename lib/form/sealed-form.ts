import type { Parts } from "../parts.js";

/** A form that is kept. */
export interface SealedForm {
  /** Under which it is: what was kept under another opens nothing. */
  readonly id: string;
  /** Where it was posted to: a path of this site. */
  readonly to: string;
  /** As it was posted. */
  readonly body: string;
}

export const sealForm = ({ forms }: Parts, form: SealedForm): string => forms.seal(form);

/** Undefined for what was changed, or moved, or sealed by a secret that is gone. */
export function openForm({ forms }: Parts, id: string, sealed: string): SealedForm | undefined {
  const form = forms.open(sealed) as SealedForm | undefined;
  return form?.id === id ? form : undefined;
}
