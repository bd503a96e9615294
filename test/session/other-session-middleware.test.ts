import cookieSession from "cookie-session";
import type { Express, Request, RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test } from "vitest";
import { startWorld } from "../support/world.js";

const cookies = (): RequestHandler =>
  cookieSession({ name: "theirs", keys: ["a key of the app"] }) as unknown as RequestHandler;

type Counting = Request & { session: { count?: number } };

/** A page that counts in the app's own session. */
const counting = (app: Express): void => {
  app.get("/count", (req, res) => {
    const { session: theirs } = req as Counting;
    theirs.count = (theirs.count ?? 0) + 1;
    res.json({ count: theirs.count, isAuthenticated: req.portal.isAuthenticated });
  });
};

/** Middleware without the name by which it is recognized. */
const wrapped =
  (middleware: RequestHandler): RequestHandler =>
  (req, res, next) =>
    middleware(req, res, next);

describe.each([4, 5] as const)("cookie-session on Express %i", (version) => {
  test.each<[string, (app: Express) => void, (app: Express) => void]>([
    ["before portalAuth()", (app) => void app.use(cookies()), counting],
    ["after portalAuth()", () => {}, (app) => void counting(app.use(cookies()))],
  ])("%s keeps req.session, and users sign in and out", async (_where, before, after) => {
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

  test("that cannot be recognized in advance lets no page hang, and is found at the first request", async () => {
    const { browser, url } = await startWorld({
      express: version,
      after: (app) => void counting(app.use(wrapped(cookies()))),
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

test("express-session after portalAuth() is named in the log, and logins work", async () => {
  const { browser, url, log } = await startWorld({
    after: (app) =>
      void app.use(session({ secret: "the app's own", resave: false, saveUninitialized: false })),
    log: [/mounts express-session after portalAuth/],
  });
  expect((await browser.visit(`${url}/account`)).status).toBe(200);
  expect(log.filter((line) => line.includes("mounts express-session after"))).toHaveLength(1);
});
