import { formatTime } from "./time-of-day.mjs";
import { LEEWAY_SECONDS } from "./world.mjs";

/** The part of a token's remaining lifetime that a timer and a busy machine may use up. */
const TOLERANCE_MS = 50;

/** The client's figures of all sessions. */
export class Tally {
  requests = 0;
  /** Responses whose request had a valid token, and those whose request needed a refresh. */
  responses = { fresh: 0, refreshed: 0 };
  /** Durations, in milliseconds, of requests that only called accessToken(). */
  milliseconds = { fresh: [], refreshed: [] };
  /** Other events, and their numbers. */
  noticed = new Map();
  lostChanges = [];

  addResponse({ milliseconds, isRefreshed, millisecondsLeft, isPlain }) {
    const kind = isRefreshed ? "refreshed" : "fresh";
    this.responses[kind] += 1;
    if (isPlain) this.milliseconds[kind].push(milliseconds);
    if (millisecondsLeft < LEEWAY_SECONDS * 1000 - TOLERANCE_MS)
      this.notice("a token with less than the leeway left");
  }

  notice(event) {
    this.noticed.set(event, (this.noticed.get(event) ?? 0) + 1);
  }

  addLostChange(description) {
    this.lostChanges.push(`${formatTime(Date.now())} ${description}`);
  }
}
