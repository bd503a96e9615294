import type { Store } from "express-session";
import { isRecord } from "../../lib/session/record.js";

/** The sessions in an express-session MemoryStore, as they are written, by id: without what is kept beside them. */
export function storedSessions(store: Store): Record<string, string> {
  const { sessions } = store as unknown as { sessions: Record<string, string> };
  return Object.fromEntries(Object.entries(sessions).filter(([id]) => !isRecord(id)));
}
