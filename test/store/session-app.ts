import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import session, { type SessionOptions, type Store } from "express-session";
import request, { type Response as ClientResponse } from "supertest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";
import type { SessionLifetime } from "../../lib/store/session-lifetime.js";
import { createClock } from "../support/clock.js";
import { createGate } from "../support/gate.js";

type Method = Exclude<keyof EntryStore, "index">;

/** Records the calls of an entry store. A test can delay calls, or make them fail. */
export function observeEntries(entries: EntryStore) {
  const calls: Method[] = [];
  const lastArguments = new Map<Method, readonly unknown[]>();
  const beforeNext = new Map<Method, () => Promise<void>>();
  const observed = new Proxy(entries, {
    get(target, name: Method | "index") {
      if (name === "index") return target.index;
      return async (...args: unknown[]) => {
        calls.push(name);
        lastArguments.set(name, args);
        const before = beforeNext.get(name);
        beforeNext.delete(name);
        await before?.();
        return (target[name] as (...all: unknown[]) => unknown)(...args);
      };
    },
  });
  return {
    entries: observed,
    /** Returns the calls since the last time that this was called. */
    takeCalls: () => calls.splice(0),
    getLastArguments: (name: Method) => lastArguments.get(name),
    /** Does some work in the next call of a method, before the call of the store. */
    beforeNext(name: Method, work: () => Promise<void>) {
      beforeNext.set(name, work);
    },
    failNext(name: Method, error: unknown = new Error("the store is down")) {
      beforeNext.set(name, () => Promise.reject(error));
    },
  };
}

export interface AppOptions extends Omit<Partial<SessionOptions>, "store"> {
  /** Replaces the store of `entries`. Its calls are not recorded. */
  readonly store?: Store;
  readonly entries?: EntryStore;
  readonly lifetime?: SessionLifetime;
  readonly framework?: typeof express;
}

/** The handler of a request. Its result is the body of the response. */
type Handler = (req: Request, res: Response) => unknown;

/** Starts an Express application with a session in a PortalSessionStore, and a browser. */
export function startSessionApp({
  entries,
  store: givenStore,
  lifetime,
  framework = express,
  ...options
}: AppOptions = {}) {
  const time = createClock();
  const observed = observeEntries(entries ?? createMemoryStore(time.clock));
  const store = (givenStore ?? new PortalSessionStore(observed.entries, lifetime)) as PortalSessionStore;
  const handlers = new Map<string, Handler>();
  const app: Express = framework();
  app.use(session({ secret: "s", store, resave: false, saveUninitialized: false, ...options }));
  app.get("/:visit", createVisitHandler(handlers));
  app.use((error: Error, _req: Request, res: Response, _next: NextFunction) => {
    res.headersSent
      ? res.end()
      : res.status(500).json({ code: Reflect.get(error, "code"), message: error.message });
  });
  const browser = request.agent(app);
  /** Sends a request with this handler. */
  async function visit(handler: Handler = () => {}, agent = browser): Promise<ClientResponse> {
    const path = `/${handlers.size}`;
    handlers.set(path, handler);
    return agent.get(path);
  }
  /** Sends a request that loads its session and then waits. `finish` runs its handler. */
  async function startVisit(handler: Handler = () => {}) {
    const loaded = createGate();
    const released = createGate();
    const response = visit(async (req, res) => {
      loaded.open();
      await released.opened;
      return handler(req, res);
    });
    await loaded.opened;
    return {
      finish() {
        released.open();
        return response;
      },
    };
  }
  return {
    ...observed,
    app,
    store,
    time,
    browser,
    visit,
    startVisit,
    readStored: () => readStored(visit, observed.takeCalls),
  };
}

function createVisitHandler(handlers: ReadonlyMap<string, Handler>): RequestHandler {
  return async (req, res, next) => {
    try {
      const body = await handlers.get(req.path)?.(req, res);
      if (!res.writableEnded) res.json(body ?? {});
    } catch (error) {
      next(error);
    }
  };
}

/** Reads the session of the browser with another request, without its cookie. Its calls are not recorded. */
async function readStored(visit: (handler: Handler) => Promise<ClientResponse>, takeCalls: () => unknown) {
  const { body } = await visit((req) => {
    const { cookie: _, ...others } = req.session ?? {};
    return others;
  });
  takeCalls();
  return body as Record<string, unknown>;
}

/** Returns the session of a request, for keys that its type does not have. */
export const getKeys = (req: Request) => req.session as unknown as Record<string, unknown>;

/** Creates a handler that sets keys of the session. */
export const put =
  (keys: object): Handler =>
  (req) => {
    Object.assign(req.session, keys);
  };

/** Calls a method that has a callback. Returns a promise. */
export const callAsync = <T>(
  call: (done: (error?: unknown, value?: T) => void) => void,
): Promise<T | undefined> =>
  new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
