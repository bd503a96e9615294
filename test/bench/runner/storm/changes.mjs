/** How many changes stay in a session. Older ones are removed after a request has found them. */
const MAX_KEPT = 4;

/**
 * The changes of one session, as far as its client knows them. Each change is a key of its own, so that the
 * loss of any change is noticed. After the response to a change, all later requests must find its key, until
 * a request removes it. After that, no request may find it. The key of a change without a response may be
 * there or not.
 */
export class Changes {
  /** The number of changes with a response. */
  confirmed = 0;
  #planned = 0;
  /** Counts the requests and responses of the client, to order them in time. */
  #moment = 0;
  /** Keys that must be there, each with the moment of its response. */
  #kept = new Map();
  /** Keys that must not be there, each with the moment of its removal. */
  #removed = new Map();
  /** Keys that may be there or not. */
  #uncertain = new Set();
  /** Keys that a request has found. */
  #found = new Set();

  /** Plans the next request: which key it adds and which keys it removes. */
  plan(makesChange) {
    this.#moment += 1;
    if (!makesChange) return { sentAt: this.#moment, remove: [] };
    this.#planned += 1;
    return { sentAt: this.#moment, add: `change_${this.#planned}`, remove: this.#planRemovals() };
  }

  #planRemovals() {
    const remove = [...this.#found].slice(0, Math.max(0, this.#found.size - MAX_KEPT));
    for (const key of remove) {
      this.#found.delete(key);
      this.#kept.delete(key); // until the response, the key may be there or not
    }
    return remove;
  }

  /**
   * Takes the response to a planned request, with the keys that it found. Returns the lost changes as texts.
   */
  confirm({ sentAt, add, remove }, found) {
    const lost = [...this.#findMissing(sentAt, new Set(found)), ...this.#findReturned(sentAt, found)];
    this.#moment += 1;
    if (add) {
      this.confirmed += 1;
      this.#kept.set(add, this.#moment);
    }
    for (const key of remove) if (!this.#uncertain.delete(key)) this.#removed.set(key, this.#moment);
    return lost;
  }

  /** Marks the changes of a request as uncertain, because it failed or got no response. */
  doubt({ add, remove }) {
    for (const key of [add, ...remove]) if (key) this.#uncertain.add(key);
  }

  *#findMissing(sentAt, found) {
    for (const [key, since] of this.#kept) {
      if (found.has(key)) this.#found.add(key);
      else if (since < sentAt) {
        this.#kept.delete(key); // reported once
        this.#found.delete(key);
        yield `${key} is missing`;
      }
    }
  }

  *#findReturned(sentAt, found) {
    for (const key of found) {
      if (this.#uncertain.has(key)) this.#found.add(key);
      else if (this.#removed.get(key) < sentAt) {
        this.#removed.delete(key);
        yield `${key} came back`;
      }
    }
  }
}
