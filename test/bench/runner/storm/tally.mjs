import { clock } from "./clock.mjs";
import { LEEWAY_SECONDS } from "./world.mjs";

/** A timer and a busy machine may take so much of what a token had left. */
const UNDERWAY_MS = 50;

/** What the client counts over all sessions. */
export class Tally {
  requests = 0;
  /** Answers whose request found its token good, and those for which it had to be renewed. */
  answers = { fresh: 0, renewed: 0 };
  /** How long a request took, in milliseconds, of those that did nothing else but ask for the token. */
  milliseconds = { fresh: [], renewed: [] };
  /** What else happened, and how often. */
  noticed = new Map();
  lostChanges = [];

  answered({ milliseconds, renewed, millisecondsLeft, isPlain }) {
    const kind = renewed ? "renewed" : "fresh";
    this.answers[kind] += 1;
    if (isPlain) this.milliseconds[kind].push(milliseconds);
    if (millisecondsLeft < LEEWAY_SECONDS * 1000 - UNDERWAY_MS)
      this.notice("a token with less than the leeway left");
  }

  notice(what) {
    this.noticed.set(what, (this.noticed.get(what) ?? 0) + 1);
  }

  lostChange(what) {
    this.lostChanges.push(`${clock(Date.now())} ${what}`);
  }
}
