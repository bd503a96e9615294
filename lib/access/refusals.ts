import { keepNewest } from "../newest.js";

const MOST = 1000;

/**
 * Remembers who has refused a token that was new: to refresh it once more would bring another that is refused, and each
 * call of an API that answers everything with 401 would cost the portal a refresh.
 */
export interface Refusals {
  /** Whether this token set was refused when it was new, by this API (or other resource). */
  isFinal(id: string, version: number, by: string): boolean;
  remember(id: string, version: number, by: string): void;
}

export function createRefusals(): Refusals {
  const refused = new Map<string, number>(); // session and resource to version; oldest first
  const keyOf = (id: string, by: string) => `${id} ${by}`;
  return {
    isFinal: (id, version, by) => refused.get(keyOf(id, by)) === version,
    remember: (id, version, by) => keepNewest(refused, keyOf(id, by), version, MOST),
  };
}
