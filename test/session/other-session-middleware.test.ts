import cookieSession from "cookie-session";
import type { Express, Request, RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { startWorld } from "../support/world.js";

const mountCookieSession = (): RequestHandler =>
  cookieSession({ name: "app-session", keys: ["a key of the app"] }) as unknown as RequestHandler;

type CountingRequest = Request & { session: { count?: number } };

/** Adds a page that counts its visits in the app's own session. */
function addCounter(app: Express): void {
  app.get("/count", (req, res) => {
    const { session } = req as CountingRequest;
    session.count = (session.count ?? 0) + 1;
    res.json({ count: session.count, isAuthenticated: req.portal.isAuthenticated });
  });
}

/** Wraps middleware in a function without the name by which it is recognized. */
const wrap =
  (middleware: RequestHandler): RequestHandler =>
  (req, res, next) =>
    middleware(req, res, next);

describe.each([4, 5] as const)("cookie-session on Express %i", (version) => {
  test.each<[string, (app: Express) => void, (app: Express) => void]>([
    ["before portalAuth()", (app) => app.use(mountCookieSession()), addCounter],
    ["after portalAuth()", () => {}, (app) => addCounter(app.use(mountCookieSession()))],
  ])("%s keeps req.session, and users sign in and out", async (_place, before, after) => {
    const { browser, url, me, log } = await startWorld({
      express: version,
      before,
      after,
      log: [/not express-session/],
    });
    expect(JSON.parse((await browser.fetch(`${url}/count`)).body)).toEqual({
      count: 1,
      isAuthenticated: false,
    });
    expect((await browser.visit(`${url}/account`)).status).toBe(200);
    expect(JSON.parse((await browser.fetch(`${url}/count`)).body)).toEqual({
      count: 2,
      isAuthenticated: true,
    });
    await browser.visit(`${url}/logout`, { site: "same-origin" });
    expect((await me()).isAuthenticated).toBe(false);
    expect(JSON.parse((await browser.fetch(`${url}/count`)).body)).toEqual({
      count: 3,
      isAuthenticated: false,
    });
    expect(log.filter((line) => line.includes("cookie-session"))).toHaveLength(1);
  });

  test("without a known name is recognized at the first request, and no response hangs", async () => {
    const { browser, url } = await startWorld({
      express: version,
      after: (app) => addCounter(app.use(wrap(mountCookieSession()))),
      log: [/not express-session/],
    });
    expect((await browser.fetch(`${url}/count`)).status).toBe(200);
    await browser.visit(`${url}/account`);
    expect(JSON.parse((await browser.fetch(`${url}/count`)).body)).toEqual({
      count: 2,
      isAuthenticated: true,
    });
  });
});

test("express-session after portalAuth() is reported in the log, and users can sign in", async () => {
  const { browser, url, log } = await startWorld({
    after: (app) => app.use(session({ secret: "the app's own", resave: false, saveUninitialized: false })),
    log: [/mounts express-session after portalAuth/],
  });
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
  expect(log.filter((line) => line.includes("mounts express-session after"))).toHaveLength(1);
});
