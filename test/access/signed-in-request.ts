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

/** The lifetime of the provider's access tokens, if a test does not set another one. */
export const TOKEN_SECONDS = 300;
/** The default of the option refreshLeeway. */
export const LEEWAY_SECONDS = 30;

/** Whether the app or the package mounts express-session, for tests of both. */
export const SESSIONS = [
  ["the app's own session", "app"],
  ["our session", "ours"],
] as const;

export interface Asked {
  readonly status: number;
  readonly access_token?: string;
  /** The error code, if the call failed. */
  readonly code?: string;
  readonly retryAfter?: string;
}

export interface LoggedIn extends World {
  /** The clock of the app. */
  readonly clock: () => number;
  /** Advances the clock. */
  later(seconds: number): void;
  /** Calls `accessToken()` in a request of this browser, and returns its result or its error. */
  ask(browser?: Browser): Promise<Asked>;
  /** Runs work inside a request of this browser. Returns its result, and throws its error. */
  inRequest<T>(work: (req: Request) => Promise<T>, browser?: Browser): Promise<T>;
  tokens(browser?: Browser): Promise<TokenSet>;
  /** Returns the forms of all refreshes that the provider has received. */
  refreshes(): Record<string, string>[];
  /** The store of the logins. */
  readonly store: ObservedStore;
  /** Returns the login records in the store. */
  stored(): Promise<LoginRecord[]>;
  /** Signs another user in, in a new browser. */
  another(): Promise<Browser>;
}

interface LoggedInOptions extends WorldOptions {
  /** Default "ours". */
  session?: "app" | "ours";
}

/** Starts a world with a clock that tests can advance, and signs a user in. */
export async function logIn({
  session: sessionOwner = "ours",
  ...options
}: LoggedInOptions = {}): Promise<LoggedIn> {
  const { clock, later } = createClock();
  const store = observedStore(clock);
  const work = new Map<string, (req: Request) => Promise<unknown>>();
  const world = await startWorld({
    ...options,
    options: { clock, store, ...options.options },
    before(app) {
      if (sessionOwner === "app")
        app.use(session({ secret: "the secret of the app", resave: false, saveUninitialized: false }));
      options.before?.(app);
    },
    after(app) {
      options.after?.(app);
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
    async ask(user = browser) {
      const { status, body, headers } = await user.fetch(`${url}/test/token`);
      const retryAfter = headers["retry-after"];
      return { status, ...JSON.parse(body), ...(retryAfter !== undefined && { retryAfter }) };
    },
    async inRequest<T>(job: (req: Request) => Promise<T>, user = browser) {
      const name = String(Math.random());
      const outcome = new Promise<T>((resolve, reject) => {
        work.set(name, (req) => job(req).then(resolve, reject));
      });
      await Promise.all([outcome.catch(() => {}), user.fetch(`${url}/test/work/${name}`)]);
      return outcome;
    },
    async tokens(user) {
      const { tokens } = await me(user);
      if (!tokens) throw new Error("no user is signed in");
      return tokens;
    },
    refreshes: () => listRefreshes(provider),
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

/** Marks requests that holdNext() forwards, so that they are not counted twice. */
const HELD = "x-held-back";

const listRefreshes = ({ requests }: LocalProvider): Record<string, string>[] =>
  requests
    .filter(({ path, headers }) => path === "/oauth2/token" && headers[HELD] === undefined)
    .map(({ body }: RecordedRequest) => Object.fromEntries(new URLSearchParams(body)))
    .filter(({ grant_type }) => grant_type === "refresh_token");

interface Held {
  /** Resolves when the request has arrived and waits. */
  readonly arrived: Promise<void>;
  /** Lets the request continue. */
  letGo(): void;
}

/**
 * Holds the next request to this path until `letGo` is called. Then it gets the provider's own response.
 *
 * @param when whether the request is held before or after the provider has responded
 */
export function holdNext(provider: LocalProvider, path: string, when: "asked" | "answered" = "asked"): Held {
  const arrived = createGate();
  const gate = createGate();
  provider.answerNext(path, async (req, res) => {
    const wait = () => {
      arrived.open();
      return gate.opened;
    };
    if (when === "asked") await wait();
    const body = Buffer.concat(await req.toArray());
    const { "content-type": type = "" } = req.headers;
    const headers = { "content-type": type, [HELD]: "yes" };
    const response = await fetch(provider.issuer + path, {
      method: req.method ?? "GET",
      headers,
      ...(body.length && { body }),
    });
    const text = await response.text();
    if (when === "answered") await wait();
    res.writeHead(response.status, { "content-type": response.headers.get("content-type") ?? "" }).end(text);
  });
  return { arrived: arrived.opened, letGo: gate.open };
}

/** Creates a response of a provider that fails. */
export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) => {
    res
      .writeHead(status, { "content-type": "application/json;charset=UTF-8", ...headers })
      .end(JSON.stringify(body));
  };

/** Creates a response of a server in front of the provider. */
export const html =
  (status: number): RequestListener =>
  (_req, res) => {
    res.writeHead(status, { "content-type": "text/html" }).end("<h1>Dear customers</h1>");
  };
