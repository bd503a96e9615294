/** A place that breaks a rule. */
export interface WritingProblem {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
  readonly text: string;
}

export function checkFiles(files: readonly { path: string; text: string }[]): WritingProblem[];
