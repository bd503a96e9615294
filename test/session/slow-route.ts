import type { Express, Request, RequestHandler } from "express";
import session, { type SessionOptions } from "express-session";
import type { World } from "../support/world.js";

declare module "express-session" {
  interface SessionData {
    left?: string;
    right?: string;
    note?: string;
  }
}

/** What a request does with its session. */
export type Change = (req: Request) => unknown;

/** A route that loads its session, waits for the test, and then does what the test says. */
export function createSlowRoute() {
  let change: Change = () => {};
  let goOn = () => {};
  let loaded = () => {};
  const handler: RequestHandler = async (req, res, next) => {
    const released = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const mine = change;
    loaded();
    await released;
    await Promise.resolve(mine(req)).then(() => res.json(req.session ?? {}), next);
  };
  return {
    after: (app: Express) => app.get("/test/slow", handler),
    /** Begins a request; it goes on when the test calls what this resolves to. */
    async begin({ browser, url }: Pick<World, "browser" | "url">, then: Change, who = browser) {
      change = then;
      const isLoaded = new Promise<void>((resolve) => {
        loaded = resolve;
      });
      const answer = who.fetch(`${url}/test/slow`);
      await isLoaded;
      const mine = goOn;
      return () => {
        mine();
        return answer;
      };
    },
  };
}

/** A route that changes its session at once, and answers with it. */
export const quick = (path: string, change: Change) => (app: Express) =>
  app.get(path, async (req, res) => {
    await change(req);
    res.json(req.session ?? {});
  });

export const set =
  (key: "left" | "right" | "note", value: string): Change =>
  (req) => {
    req.session[key] = value;
  };

export const saved = (req: Request) =>
  new Promise<void>((resolve, reject) => req.session.save((error) => (error ? reject(error) : resolve())));

/** Mounts the application's own express-session. */
export const mounted =
  (options: Partial<SessionOptions> = {}) =>
  (app: Express) =>
    app.use(session({ secret: "the app's own", resave: false, saveUninitialized: false, ...options }));

/** A route that shows the session with its login. */
export const look = (app: Express) =>
  app.get("/test/look", ({ session: { portal, ...others } }, res) => {
    res.json({ ...others, ...(portal && { portal: { ...portal } }) }); // JSON of the session leaves the login out
  });

export const lookAt = async ({ browser, url }: World, who = browser) =>
  JSON.parse((await who.fetch(`${url}/test/look`)).body);
