import type { SessionLike } from "./serialize-session.js";

/** The lifetime of sessions. */
export interface SessionLifetime {
  /** Returns the remaining lifetime of a session that is used now, in milliseconds. */
  getLifeMs(session: SessionLike): number;
  /**
   * Whether the browser gets the cookie only when the session starts. Then the stored cookie never changes,
   * and no slow response restores the cookie of an earlier session.
   */
  readonly isCookieSetOnce?: boolean;
}

/** A session is extended at most once in this time, or ten times within its lifetime if that is shorter. */
const MAX_TOUCH_INTERVAL_MS = 60_000;
/** The lifetime of a session whose cookie expires with the browser session. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** A session has the original maximum age of its cookie, counted from its last use. */
export const lifetimeByCookie: SessionLifetime = {
  getLifeMs({ cookie }) {
    const lifeMs = cookie?.originalMaxAge ?? Number.NaN;
    return Number.isFinite(lifeMs) ? lifeMs : DAY_MS;
  },
};

/** Returns whether the store must extend a session whose remaining lifetime is `remainingMs`. */
export const isTouchDue = (lifeMs: number, remainingMs: number): boolean =>
  lifeMs - remainingMs >= Math.min(MAX_TOUCH_INTERVAL_MS, lifeMs / 10);
