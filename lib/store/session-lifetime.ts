import type { SessionLike } from "./serialize-session.js";

/** How long sessions live. */
export interface SessionLifetime {
  /** How long a session that is used now lives from now on, in milliseconds. */
  getLifeMs(session: SessionLike): number;
  /**
   * Whether the browser gets the cookie only when the session begins. Then the stored cookie never changes,
   * and no slow response sets the cookie of an earlier session again.
   */
  readonly isCookieSetOnce?: boolean;
}

/** The end of a session moves at most so often, or ten times within its life if that is shorter. */
const MAX_TOUCH_INTERVAL_MS = 60_000;
/** The life of a session whose cookie ends with the browser. */
const DAY_MS = 24 * 60 * 60 * 1000;

/** A session lives as long as its cookie was meant to live, counted from its last use. */
export const lifetimeByCookie: SessionLifetime = {
  getLifeMs({ cookie }) {
    const lifeMs = cookie?.originalMaxAge ?? Number.NaN;
    return Number.isFinite(lifeMs) ? lifeMs : DAY_MS;
  },
};

/** Whether it is worth a write to extend the life of a session that still has `remainingMs`. */
export const isTouchDue = (lifeMs: number, remainingMs: number): boolean =>
  lifeMs - remainingMs >= Math.min(MAX_TOUCH_INTERVAL_MS, lifeMs / 10);
