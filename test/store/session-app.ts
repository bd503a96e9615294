import express, {
  type Express,
  type NextFunction,
  type Request,
  type RequestHandler,
  type Response,
} from "express";
import session, { type SessionOptions, type Store } from "express-session";
import request, { type Response as Answer } from "supertest";
import { createMemoryStore } from "../../lib/store/memory-store.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import type { EntryStore } from "../../lib/store/record-store.js";
import type { SessionLifetime } from "../../lib/store/session-lifetime.js";
import { createClock } from "../support/clock.js";
import { createGate } from "../support/gate.js";

type Method = Exclude<keyof EntryStore, "index">;

/** An entry store whose calls are noted, and can be held up or made to fail. */
export function watchEntries(entries: EntryStore) {
  const calls: Method[] = [];
  const lastArguments = new Map<Method, readonly unknown[]>();
  const next = new Map<Method, () => Promise<void>>();
  const watched = new Proxy(entries, {
    get(target, name: Method | "index") {
      if (name === "index") return target.index;
      return async (...args: unknown[]) => {
        calls.push(name);
        lastArguments.set(name, args);
        const before = next.get(name);
        next.delete(name);
        await before?.();
        return (target[name] as (...all: unknown[]) => unknown)(...args);
      };
    },
  });
  return {
    entries: watched,
    /** The calls since the last time that this was read. */
    calls: () => calls.splice(0),
    argumentsOfLast: (name: Method) => lastArguments.get(name),
    /** Does this in the next call of a method, before the store gets it. */
    inNext: (name: Method, act: () => Promise<void>) => void next.set(name, act),
    failNext(name: Method, error: unknown = new Error("the store is down")) {
      next.set(name, () => Promise.reject(error));
    },
  };
}

export interface AppOptions extends Omit<Partial<SessionOptions>, "store"> {
  /** Instead of one over `entries`. Its calls are not noted. */
  readonly store?: Store;
  readonly entries?: EntryStore;
  readonly lives?: SessionLifetime;
  readonly framework?: typeof express;
}

/** What a request does, beside express-session. It resolves to the body of the answer. */
type Work = (req: Request, res: Response) => unknown;

/** An Express application with a session in our store, and a browser that visits it. */
export function startSessionApp({
  entries,
  store: given,
  lives: lifetime,
  framework = express,
  ...options
}: AppOptions = {}) {
  const time = createClock();
  const watch = watchEntries(entries ?? createMemoryStore(time.clock));
  const store = (given ?? new PortalSessionStore(watch.entries, lifetime)) as PortalSessionStore;
  const works = new Map<string, Work>();
  const app: Express = framework();
  app.use(session({ secret: "s", store, resave: false, saveUninitialized: false, ...options }));
  app.get("/:visit", answerWith(works));
  app.use((error: Error, _req: Request, res: Response, _next: NextFunction) => {
    res.headersSent
      ? res.end()
      : res.status(500).json({ code: Reflect.get(error, "code"), message: error.message });
  });
  const browser = request.agent(app);
  /** Makes a request whose handler does this, by default as the one browser. */
  async function visit(work: Work = () => {}, who = browser): Promise<Answer> {
    const path = `/${works.size}`;
    works.set(path, work);
    return who.get(path);
  }
  /** Begins a request that loads its session and then waits; `finish` lets it do its work and answer. */
  async function beginVisit(work: Work = () => {}) {
    const loaded = createGate();
    const released = createGate();
    const answer = visit(async (req, res) => {
      loaded.open();
      await released.opened;
      return work(req, res);
    });
    await loaded.opened;
    return {
      finish() {
        released.open();
        return answer;
      },
    };
  }
  return {
    ...watch,
    app,
    store,
    time,
    browser,
    visit,
    beginVisit,
    stored: () => storedBy(visit, watch.calls),
  };
}

function answerWith(works: ReadonlyMap<string, Work>): RequestHandler {
  return async (req, res, next) => {
    try {
      const body = await works.get(req.path)?.(req, res);
      if (!res.writableEnded) res.json(body ?? {});
    } catch (error) {
      next(error);
    }
  };
}

/** The session of the browser as another request loads it, without its cookie. Its calls of the store are not noted. */
async function storedBy(visit: (work: Work) => Promise<Answer>, calls: () => unknown) {
  const { body } = await visit((req) => {
    const { cookie: _, ...others } = req.session ?? {};
    return others;
  });
  calls();
  return body as Record<string, unknown>;
}

/** The session of a request, for keys that its type does not have. */
export const keysOf = (req: Request) => req.session as unknown as Record<string, unknown>;

/** Sets keys of the session. */
export const put =
  (keys: object): Work =>
  (req) =>
    void Object.assign(req.session, keys);

/** Calls a method that ends with a callback. */
export const called = <T>(
  call: (done: (error?: unknown, value?: T) => void) => void,
): Promise<T | undefined> =>
  new Promise((resolve, reject) => call((error, value) => (error ? reject(error) : resolve(value))));
