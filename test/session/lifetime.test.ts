import session from "express-session";
import { describe, expect, test } from "vitest";
import { cookieUntil, lifetimeOfApps, lifetimeOfOurs } from "../../lib/session/lifetime.js";
import type { StoredSession } from "../../lib/session/stored.js";

const NOW = 1_000_000_000;
const clock = () => NOW;
const at = (seconds: number) => new Date(NOW + seconds * 1000);

const withCookie = (cookie: StoredSession["cookie"], started_at?: number): StoredSession =>
  ({ cookie, ...(started_at !== undefined && { portal: { started_at } }) }) as StoredSession;

describe("an application's session", () => {
  const { isAlive, endsAt } = lifetimeOfApps(clock);

  test("lives as its store says, whatever its cookie says", () => {
    expect(isAlive(withCookie({ expires: at(-1) }))).toBe(true);
  });

  test.each<[string, StoredSession["cookie"], number | undefined]>([
    ["as long again as its cookie was to live", { originalMaxAge: 60_000, expires: at(10) }, NOW + 60_000],
    ["until its cookie ends, where that is fixed", { originalMaxAge: null, expires: at(10) }, NOW + 10_000],
    ["the same, though it comes as text", { originalMaxAge: null, expires: at(10).toISOString() }, NOW + 10_000],
    ["until the browser closes, where nothing is said", { originalMaxAge: null, expires: null }, undefined],
  ])("lives %s", (_name, cookie, end) => {
    expect(endsAt(withCookie(cookie))).toBe(end);
  });
});

describe("our session", () => {
  const { isAlive, endsAt } = lifetimeOfOurs(clock, { idleSeconds: 100, absoluteSeconds: 1000 });
  const started = (secondsAgo: number) => withCookie({}, NOW / 1000 - secondsAgo);

  test.each<[string, StoredSession["cookie"], boolean]>([
    ["before its end", { expires: at(1) }, true],
    ["at its end", { expires: at(0) }, false],
    ["after its end", { expires: at(-1).toISOString() }, false],
    ["without an end", { expires: null }, true],
  ])("%s", (_name, cookie, lives) => {
    expect(isAlive(withCookie(cookie))).toBe(lives);
  });

  test.each<[string, StoredSession, number]>([
    ["after the idle limit", started(0), 100],
    ["of a visitor after the idle limit", withCookie({}), 100],
    ["at the absolute limit, when that comes first", started(950), 50],
    ["in the past, when that has passed", started(1100), -100],
  ])("ends %s", (_name, stored, seconds) => {
    expect(endsAt(stored)).toBe(NOW + seconds * 1000);
  });
});

describe("a cookie that ends at another time", () => {
  const members = { path: "/app", httpOnly: true, secure: true, sameSite: "lax", domain: "app.example" } as const;

  test.each<[string, object]>([
    ["as it lies in a store", { ...members, originalMaxAge: 60_000, expires: at(1).toISOString() }],
    ["of express-session's class", Object.assign(new session.Cookie(), members, { originalMaxAge: 60_000 })],
  ])("%s keeps the rest of what it was", (_name, cookie) => {
    const moved = cookieUntil(cookie, NOW + 5000);
    expect(moved).toBeInstanceOf(session.Cookie);
    expect(JSON.parse(JSON.stringify(moved))).toEqual({
      ...members,
      originalMaxAge: 60_000,
      expires: at(5).toISOString(),
    });
  });

  test("may end with the browser", () => {
    const moved = cookieUntil({ originalMaxAge: 60_000, expires: at(1) }, undefined);
    expect([moved.expires, moved.originalMaxAge]).toEqual([null, 60_000]);
  });

  test("leaves the one that it was made of alone", () => {
    const cookie = { originalMaxAge: 60_000, expires: at(1) };
    cookieUntil(cookie, NOW);
    expect(cookie.expires).toEqual(at(1));
  });
});
