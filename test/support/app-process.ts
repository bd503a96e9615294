import { randomUUID } from "node:crypto";
import { type EventEmitter, once } from "node:events";
import type { PortalAuthOptions } from "../../lib/index.js";
import type { Answer, Browser } from "./browser.js";
import { type Ended, Program } from "./program.js";

export interface AppSettings {
  /** Of portalAuth(): what JSON can carry, so no hooks, and a store by its address. */
  options: { [name in Exclude<keyof PortalAuthOptions, "hooks">]?: Json };
  /** An express-session that the app mounts before portalAuth. Default none: portalAuth mounts its own. */
  session?: AppSession | undefined;
}

export interface AppSession {
  /**
   * The session store: the package's own store on Redis or PostgreSQL ("createStore"), a package of others, or "another": a
   * slow store on Redis, with separate reads and writes.
   */
  kind: "createStore" | "connect-redis" | "connect-pg-simple" | "memory" | "another";
  /** The address of the server, unless the kind is "memory". */
  url?: string;
  resave?: boolean;
  rolling?: boolean;
  saveUninitialized?: boolean;
  /** Of the cookie, in milliseconds. */
  maxAge?: number;
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** What a slow request changes in the session, and what it does besides. */
export interface SlowChange {
  key: string;
  value: string;
  /** It asks for the access token before the change. */
  token?: boolean;
  /** It saves the session itself, before it answers. */
  save?: boolean;
}

/** A request that has loaded its session and waits. */
export interface HeldRequest {
  /** Lets it go on; resolves to its answer. */
  release(): Promise<Answer>;
}

/** Few can be taken apart: `const [one, other] = await startApps(2, settings)`. */
export type Several<Count extends number> = Count extends keyof Few ? Few[Count] : AppProcess[];

interface Few {
  1: [AppProcess];
  2: [AppProcess, AppProcess];
  3: [AppProcess, AppProcess, AppProcess];
}

/** Processes of one app (programs/app.mjs), each on a free port. The caller stops them; startFleet() does so by itself. */
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

/** Processes that listen, and serve nothing before beginAll(): for settings that depend on their addresses. */
export const forkApps = (count: number): AppProcess[] =>
  Array.from({ length: count }, () => new AppProcess());

export async function beginAll(apps: AppProcess[], settings: AppSettings): Promise<void> {
  await Promise.all(apps.map((app) => app.listening));
  for (const app of apps) await app.begin(settings); // one after another: the first may have to create a table
}

export class AppProcess {
  url = "";
  readonly pid: number;
  /** The lines that it has written. */
  readonly log: string[];
  /** Its end; by then the log is whole. */
  readonly exited: Promise<Ended>;
  /** Its address, which is known before it serves anything. */
  readonly listening: Promise<string>;
  readonly #program: Program;
  readonly #words: EventEmitter;
  #released: Promise<void> | undefined;

  constructor() {
    this.#program = Program.take();
    const { pid, log, words, ended } = this.#program;
    this.pid = pid;
    this.log = log;
    this.exited = ended;
    this.#words = words;
    this.listening = this.#told("listening").then((url) => {
      this.url = String(url);
      return this.url;
    });
  }

  /** Hands over the settings; resolves when requests are answered. */
  async begin(settings: AppSettings): Promise<void> {
    const ready = this.#told("ready");
    this.#program.tell("settings", settings);
    await ready;
  }

  /** Turns its clock on: sessions and tokens are so much older then. */
  async later(seconds: number): Promise<void> {
    const turned = this.#told("turned");
    this.#program.tell("later", seconds);
    await turned;
  }

  /** Begins a request that changes the session; resolves when it has loaded it, and waits for its release. */
  async hold(browser: Browser, { key, value, token, save }: SlowChange): Promise<HeldRequest> {
    const hold = randomUUID();
    const query = new URLSearchParams({
      hold,
      key,
      value,
      ...(token && { token: "1" }),
      ...(save && { save: "1" }),
    });
    const loaded = this.#told(`loaded ${hold}`);
    const answer = browser.fetch(`${this.url}/slow-change?${query}`);
    const tooEarly = answer.then(({ status, body }) => {
      throw new Error(`answered before it was held: ${status} ${body}`);
    });
    tooEarly.catch(() => {}); // from here on an answer is welcome, and none at all is told to who releases
    await Promise.race([loaded, tooEarly]);
    return {
      release: () => {
        this.#program.tell(`release ${hold}`);
        return answer;
      },
    };
  }

  /** Default SIGKILL: it has no time for a last word. With SIGSTOP it hangs until SIGCONT. */
  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    this.#program.kill(signal);
  }

  /** Also when it hangs, or has ended. */
  async stop(): Promise<void> {
    this.kill();
    await this.exited;
  }

  /** What a test does that has no more to ask of it: the app ends, and the log is whole. The process serves another one. */
  release(): Promise<void> {
    this.#released ??= this.#program.rest().then((rests) => (rests ? undefined : this.stop()));
    return this.#released;
  }

  /** Waits for a word of the process, but not when it has ended. */
  async #told(word: string): Promise<unknown> {
    const done = new AbortController();
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`the app has ended (${signal ?? code}):\n${this.log.join("\n")}`);
    });
    try {
      const [content] = await Promise.race([once(this.#words, word, { signal: done.signal }), ended]);
      return content;
    } finally {
      done.abort();
      ended.catch(() => {}); // a good end, by then
    }
  }
}
