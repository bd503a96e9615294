/** So many changes stay in a session; what is older and was seen to be there is taken back. */
const KEPT = 4;

/**
 * What must be in one session as far as its client was told. Each change is a key of its own, so that the loss of any
 * is seen: one that was answered must be found by every later request until it is taken back, and by none after that.
 * A change whose answer never came may be there or not.
 */
export class Changes {
  /** How many were answered. */
  answered = 0;
  #made = 0;
  /** Counts what the client did and heard, to tell later from earlier. */
  #moment = 0;
  /** Key to the moment of its answer. */
  #kept = new Map();
  #gone = new Map();
  #doubtful = new Set();
  #seen = new Set();

  /** What the next request finds (to be judged by its answer) and changes. */
  plan(makesChange) {
    this.#moment += 1;
    if (!makesChange) return { sentAt: this.#moment, remove: [] };
    this.#made += 1;
    return { sentAt: this.#moment, add: `change_${this.#made}`, remove: this.#takeBack() };
  }

  #takeBack() {
    const remove = [...this.#seen].slice(0, Math.max(0, this.#seen.size - KEPT));
    for (const key of remove) {
      this.#seen.delete(key);
      this.#kept.delete(key); // from here on it may be there or not, until the answer
    }
    return remove;
  }

  /** The request was answered, and had found these keys. Returns what is wrong with them, in words. */
  confirm({ sentAt, add, remove }, found) {
    const wrong = [...this.#missing(sentAt, new Set(found)), ...this.#cameBack(sentAt, found)];
    this.#moment += 1;
    if (add) {
      this.answered += 1;
      this.#kept.set(add, this.#moment);
    }
    for (const key of remove) if (!this.#doubtful.delete(key)) this.#gone.set(key, this.#moment);
    return wrong;
  }

  /** The answer never came, or was a failure. */
  doubt({ add, remove }) {
    for (const key of [add, ...remove]) if (key) this.#doubtful.add(key);
  }

  *#missing(sentAt, found) {
    for (const [key, since] of this.#kept) {
      if (found.has(key)) this.#seen.add(key);
      else if (since < sentAt) {
        this.#kept.delete(key); // told once
        this.#seen.delete(key);
        yield `${key} is missing`;
      }
    }
  }

  *#cameBack(sentAt, found) {
    for (const key of found) {
      if (this.#doubtful.has(key)) this.#seen.add(key);
      else if (this.#gone.get(key) < sentAt) {
        this.#gone.delete(key);
        yield `${key} came back`;
      }
    }
  }
}
