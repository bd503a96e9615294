import type { RequestListener } from "node:http";
import type { Express, Request } from "express";
import session from "express-session";
import type { TokenSet } from "../../lib/index.js";
import type { LoginRecord } from "../../lib/session/login-record.js";
import type { LocalProvider, RecordedRequest } from "../../lib/testing/provider/local-provider.js";
import { Browser } from "../support/browser.js";
import { createClock } from "../support/clock.js";
import { createGate } from "../support/gate.js";
import { type ObservedStore, observedStore } from "../support/stored-sessions.js";
import { startWorld, type World, type WorldOptions } from "../support/world.js";

/** How long the portal's access tokens live, and how long before that they are renewed, when a test says nothing else. */
export const TOKEN_SECONDS = 300;
export const LEEWAY_SECONDS = 30;

/** Whose express-session it is, for tests that hold for both. */
export const SESSIONS = [
  ["the app's own session", "app"],
  ["our session", "ours"],
] as const;

export interface Asked {
  readonly status: number;
  readonly access_token?: string;
  /** Of the failure. */
  readonly code?: string;
  readonly retryAfter?: string;
}

export interface LoggedIn extends World {
  /** The clock that the app goes by, and how to turn it. */
  readonly clock: () => number;
  later(seconds: number): void;
  /** What `accessToken()` gives, or fails with, in a request of this browser. */
  ask(browser?: Browser): Promise<Asked>;
  /** Runs work inside a request of this browser; gives what it gives, and throws what it throws. */
  inRequest<T>(work: (req: Request) => Promise<T>, browser?: Browser): Promise<T>;
  tokens(browser?: Browser): Promise<TokenSet>;
  /** The forms of the refreshes that the portal was asked for. */
  refreshes(): Record<string, string>[];
  /** Where the logins are. */
  readonly store: ObservedStore;
  /** The login records as they lie there. */
  stored(): Promise<LoginRecord[]>;
  /** Another person, in a browser of their own. */
  another(): Promise<Browser>;
}

interface LoggedInOptions extends WorldOptions {
  /** Default "ours". */
  session?: "app" | "ours";
}

/** A world with a clock to turn, in which somebody has logged in. */
export async function logIn({ session: whose = "ours", ...given }: LoggedInOptions = {}): Promise<LoggedIn> {
  const { clock, later } = createClock();
  const store = observedStore(clock);
  const work = new Map<string, (req: Request) => Promise<unknown>>();
  const world = await startWorld({
    ...given,
    options: { clock, store, ...given.options },
    before(app) {
      if (whose === "app")
        app.use(session({ secret: "the app's own", resave: false, saveUninitialized: false }));
      given.before?.(app);
    },
    after(app) {
      given.after?.(app);
      addRoutes(app, work);
    },
  });
  const { url, browser, me, provider } = world;
  const another = async () => {
    const other = new Browser();
    await other.visit(`${url}/account`);
    return other;
  };
  await browser.visit(`${url}/account`);
  return {
    ...world,
    clock,
    store,
    later,
    another,
    async ask(who = browser) {
      const { status, body, headers } = await who.fetch(`${url}/test/token`);
      const retryAfter = headers["retry-after"];
      return { status, ...JSON.parse(body), ...(retryAfter !== undefined && { retryAfter }) };
    },
    async inRequest<T>(job: (req: Request) => Promise<T>, who = browser) {
      const name = String(Math.random());
      const outcome = new Promise<T>((resolve, reject) => {
        work.set(name, (req) => job(req).then(resolve, reject));
      });
      await Promise.all([outcome.catch(() => {}), who.fetch(`${url}/test/work/${name}`)]);
      return outcome;
    },
    async tokens(who) {
      const { tokens } = await me(who);
      if (!tokens) throw new Error("nobody is logged in");
      return tokens;
    },
    refreshes: () => refreshesAt(provider),
    stored: () => store.logins(),
  };
}

function addRoutes(app: Express, work: Map<string, (req: Request) => Promise<unknown>>): void {
  app.get("/test/token", async (req, res) => {
    try {
      res.json({ access_token: await req.portal.accessToken() });
    } catch (error) {
      const { code = String(error), status = 500, headers = {} } = error as Record<string, never>;
      res.status(status).set(headers).json({ code });
    }
  });
  app.get("/test/work/:name", async (req, res) => {
    await work.get(req.params["name"] as string)?.(req);
    res.end();
  });
}

const HELD = "x-held-back";

const refreshesAt = ({ requests }: LocalProvider): Record<string, string>[] =>
  requests
    .filter(({ path, headers }) => path === "/oauth2/token" && headers[HELD] === undefined)
    .map(({ body }: RecordedRequest) => Object.fromEntries(new URLSearchParams(body)))
    .filter(({ grant_type }) => grant_type === "refresh_token");

interface Held {
  /** It waits. */
  readonly arrived: Promise<void>;
  letGo(): void;
}

/** The next request to this path waits until it is let go on, and then gets the portal's own answer. */
export function holdNext(provider: LocalProvider, path: string, when: "asked" | "answered" = "asked"): Held {
  const [arrived, gate] = [createGate(), createGate()];
  provider.answerNext(path, async (req, res) => {
    const wait = () => {
      arrived.open();
      return gate.opened;
    };
    if (when === "asked") await wait();
    const body = Buffer.concat(await req.toArray());
    const { "content-type": type = "" } = req.headers;
    const headers = { "content-type": type, [HELD]: "yes" };
    const real = await fetch(provider.issuer + path, {
      method: req.method ?? "GET",
      headers,
      ...(body.length && { body }),
    });
    const text = await real.text();
    if (when === "answered") await wait();
    res.writeHead(real.status, { "content-type": real.headers.get("content-type") ?? "" }).end(text);
  });
  return { arrived: arrived.opened, letGo: gate.open };
}

/** Answers of a portal that does not do what it should. */
export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) => {
    res
      .writeHead(status, { "content-type": "application/json;charset=UTF-8", ...headers })
      .end(JSON.stringify(body));
  };

export const html =
  (status: number): RequestListener =>
  (_req, res) => {
    res.writeHead(status, { "content-type": "text/html" }).end("<h1>Dear customers</h1>");
  };
