import session, { type Cookie } from "express-session";
import type { Clock } from "../clock.js";
import type { StoredCookie, StoredSession } from "./stored.js";

/** How long sessions live that are ours; those of an application live as its own settings say. */
export interface Limits {
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
}

/** Until when a session is good. */
export interface Lifetime {
  /** Whether a session that was found still counts. */
  isAlive(stored: StoredSession): boolean;
  /** When a session ends that was used just now, in epoch milliseconds; undefined: with the browser. */
  endsAt(stored: StoredSession): number | undefined;
}

/** An application's own session: used now, it lives as long again as its cookie once was to live. */
export function lifetimeOfApps(clock: Clock): Lifetime {
  return {
    // its store knows; the cookie in a stored copy does not, as a touch need not change it
    isAlive: () => true,
    endsAt({ cookie: { originalMaxAge, expires } }) {
      if (typeof originalMaxAge === "number") return clock() + originalMaxAge;
      return expires ? new Date(expires).getTime() : undefined;
    },
  };
}

/** Ours: what the stored session says is what counts, whatever cookie a browser still has. */
export function lifetimeOfOurs(clock: Clock, { idleSeconds, absoluteSeconds }: Limits): Lifetime {
  return {
    isAlive: ({ cookie: { expires } }) => !expires || clock() < new Date(expires).getTime(),
    endsAt({ portal }) {
      const idleEnd = clock() + idleSeconds * 1000;
      return portal ? Math.min(idleEnd, (portal.started_at + absoluteSeconds) * 1000) : idleEnd;
    },
  };
}

/** A cookie that ends at another time, of express-session's own class: stores read its members in many ways. */
export function cookieUntil(cookie: StoredCookie, endsAt: number | undefined): Cookie {
  const { data = cookie } = cookie as { data?: object }; // one of the class shows its members in `data`
  const copy = new (session.Cookie as unknown as new (members: object) => Cookie)(data);
  copy.expires = endsAt === undefined ? null : new Date(endsAt);
  copy.originalMaxAge = cookie.originalMaxAge ?? null;
  return copy;
}
