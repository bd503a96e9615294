import { randomUUID } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import type { PortalAuthOptions } from "../../lib/index.js";
import type { Answer, Browser } from "./browser.js";
import { type Ended, Program } from "./program.js";

export interface AppSettings {
  /** Options of portalAuth() that JSON can represent: no hooks, and a store by its URL. */
  options: { [name in Exclude<keyof PortalAuthOptions, "hooks">]?: Json };
  /** The express-session that the app mounts before portalAuth. Default none: portalAuth mounts its own. */
  session?: AppSession | undefined;
}

export interface AppSession {
  /**
   * The session store: "createStore" is the package's own store on Redis or PostgreSQL, "another" is a slow
   * store on Redis with separate reads and writes. The others are packages of other authors.
   */
  kind: "createStore" | "connect-redis" | "connect-pg-simple" | "memory" | "another";
  /** The URL of the server, unless the kind is "memory". */
  url?: string;
  resave?: boolean;
  rolling?: boolean;
  saveUninitialized?: boolean;
  /** The maximum age of the cookie, in milliseconds. */
  maxAge?: number;
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** The change that a slow request makes in the session, and further actions of it. */
export interface SlowChange {
  key: string;
  value: string;
  /** Whether it calls accessToken() before the change. */
  token?: boolean;
  /** Whether it saves the session itself before it responds. */
  save?: boolean;
}

/** A request that has loaded its session and is on hold. */
export interface HeldRequest {
  /** Continues the request and resolves to its response. */
  release(): Promise<Answer>;
}

/** A tuple for a small number, so that `const [one, other] = await startApps(2, settings)` has types. */
export type Several<Count extends number> = Count extends keyof Few ? Few[Count] : AppProcess[];

interface Few {
  1: [AppProcess];
  2: [AppProcess, AppProcess];
  3: [AppProcess, AppProcess, AppProcess];
}

/**
 * Starts processes of one app (programs/app.mjs), each on a free port. The caller stops them. startFleet()
 * does that too.
 */
export async function startApps<Count extends number>(
  count: Count,
  settings: AppSettings,
): Promise<Several<Count>> {
  const apps = forkApps(count);
  try {
    await beginAll(apps, settings);
    return apps as Several<Count>;
  } catch (error) {
    await Promise.all(apps.map((app) => app.stop()));
    throw error;
  }
}

/**
 * Starts processes that listen, but serve nothing before beginAll(): the settings may depend on their URLs.
 */
export const forkApps = (count: number): AppProcess[] =>
  Array.from({ length: count }, () => new AppProcess());

export async function beginAll(apps: AppProcess[], settings: AppSettings): Promise<void> {
  await Promise.all(apps.map((app) => app.listening));
  for (const app of apps) await app.begin(settings); // one by one, because the first may create a table
}

export class AppProcess {
  url = "";
  readonly pid: number;
  /** The lines that the process has written. */
  readonly log: string[];
  /** Resolves when the process has ended and the log is complete. */
  readonly exited: Promise<Ended>;
  /** Resolves to the URL, which is known before the process serves requests. */
  readonly listening: Promise<string>;
  readonly #program: Program;
  readonly #messages: EventEmitter;
  #released: Promise<void> | undefined;

  constructor() {
    this.#program = Program.take();
    const { pid, log, messages, ended } = this.#program;
    this.pid = pid;
    this.log = log;
    this.exited = ended;
    this.#messages = messages;
    this.listening = this.#waitFor("listening").then((url) => {
      this.url = String(url);
      return this.url;
    });
  }

  /** Sends the settings. Resolves when the app serves requests. */
  async begin(settings: AppSettings): Promise<void> {
    const ready = this.#waitFor("ready");
    this.#program.send("settings", settings);
    await ready;
  }

  /** Advances the clock of the process, so that sessions and tokens are older. */
  async later(seconds: number): Promise<void> {
    const advanced = this.#waitFor("clock advanced");
    this.#program.send("advance clock", seconds);
    await advanced;
  }

  /**
   * Starts a request that changes the session. Resolves when it has loaded the session; then it waits for
   * release().
   */
  async hold(browser: Browser, { key, value, token, save }: SlowChange): Promise<HeldRequest> {
    const hold = randomUUID();
    const query = new URLSearchParams({ hold, key, value });
    if (token) query.set("token", "1");
    if (save) query.set("save", "1");
    const loaded = this.#waitFor(`loaded ${hold}`);
    const response = browser.fetch(`${this.url}/slow-change?${query}`);
    const tooEarly = response.then(({ status, body }) => {
      throw new Error(`the request was not held: ${status} ${body}`);
    });
    tooEarly.catch(() => {}); // From here on a response is expected, and release() rejects without one.
    await Promise.race([loaded, tooEarly]);
    return {
      release: () => {
        this.#program.send(`release ${hold}`);
        return response;
      },
    };
  }

  /** Sends a signal. Default SIGKILL, which ends the process at once. SIGSTOP suspends it until SIGCONT. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#program.kill(signal);
  }

  /** Ends the process, even a suspended one. */
  async stop(): Promise<void> {
    this.kill();
    await this.exited;
  }

  /**
   * Ends the app at the end of a test, so that the log is complete. The process can then serve another app.
   */
  release(): Promise<void> {
    this.#released ??= this.#program.cleanUp().then((isReusable) => (isReusable ? undefined : this.stop()));
    return this.#released;
  }

  /** Waits for a message of the process. Rejects if the process ends first. */
  async #waitFor(name: string): Promise<unknown> {
    const done = new AbortController();
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`the app has ended (${signal ?? code}):\n${this.log.join("\n")}`);
    });
    try {
      const [content] = await Promise.race([once(this.#messages, name, { signal: done.signal }), ended]);
      return content;
    } finally {
      done.abort();
      ended.catch(() => {}); // an end after the message is no failure
    }
  }
}
