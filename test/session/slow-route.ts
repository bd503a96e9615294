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

/** Changes the session of a request, or only reads it. */
export type Change = (req: Request) => unknown;

/** Creates a route that loads its session, waits for the test, and then makes the change of the test. */
export function createSlowRoute() {
  let nextChange: Change = () => {};
  let release = () => {};
  let onLoaded = () => {};
  const handler: RequestHandler = async (req, res, next) => {
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const change = nextChange;
    onLoaded();
    await released;
    await Promise.resolve(change(req)).then(() => res.json(req.session ?? {}), next);
  };
  return {
    addTo: (app: Express) => app.get("/test/slow", handler),
    /** Starts a request, and resolves when its session is loaded, to a function that lets it continue. */
    async startRequest(
      { browser, url }: Pick<World, "browser" | "url">,
      change: Change,
      requestBrowser = browser,
    ) {
      nextChange = change;
      const isLoaded = new Promise<void>((resolve) => {
        onLoaded = resolve;
      });
      const response = requestBrowser.fetch(`${url}/test/slow`);
      await isLoaded;
      const releaseThisRequest = release;
      return () => {
        releaseThisRequest();
        return response;
      };
    },
  };
}

/** Adds a route that changes its session at once, and responds with the session. */
export const changeRoute = (path: string, change: Change) => (app: Express) =>
  app.get(path, async (req, res) => {
    await change(req);
    res.json(req.session ?? {});
  });

/** Returns a change that sets one key. */
export const setValue =
  (key: "left" | "right" | "note", value: string): Change =>
  (req) => {
    req.session[key] = value;
  };

/** Saves the session of a request. */
export const saveSession = (req: Request) =>
  new Promise<void>((resolve, reject) => req.session.save((error) => (error ? reject(error) : resolve())));

/** Mounts the application's own express-session. */
export const mountExpressSession =
  (options: Partial<SessionOptions> = {}) =>
  (app: Express) =>
    app.use(session({ secret: "the app's own", resave: false, saveUninitialized: false, ...options }));

/** Adds a route that responds with the session and its login. The JSON of a session omits the login. */
export const addSessionRoute = (app: Express) =>
  app.get("/test/session", ({ session: { portal, ...others } }, res) => {
    res.json({ ...others, ...(portal && { portal: { ...portal } }) });
  });

/** Fetches the session of a browser, with its login. */
export const fetchSession = async ({ browser, url }: World, requestBrowser = browser) =>
  JSON.parse((await requestBrowser.fetch(`${url}/test/session`)).body);
