import session, { type SessionData } from "express-session";

/**
 * A store of a kind that portalAuth does not know. It stores strings in files. Two instances with the same
 * files are one store of two processes.
 */
export class AnotherStore extends session.Store {
  constructor(readonly files = new Map<string, string>()) {
    super();
  }

  get(id: string, done: (error: unknown, data?: SessionData | null) => void) {
    const text = this.files.get(id);
    process.nextTick(done, null, text && JSON.parse(text));
  }

  set(id: string, data: SessionData, done?: () => void) {
    this.files.set(id, JSON.stringify(data));
    process.nextTick(done ?? (() => {}));
  }

  destroy(id: string, done?: () => void) {
    this.files.delete(id);
    process.nextTick(done ?? (() => {}));
  }
}
