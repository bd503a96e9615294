import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { SessionOptions } from "express-session";
import type { Diagnosis, PortalAuthOptions } from "../../../lib/index.js";
import { cleanEnvironment } from "../../package/run.js";

export interface AppSettings {
  readonly instances: readonly { readonly mount: string; readonly options: PortalAuthOptions }[];
  readonly expressMajor?: 4 | 5 | undefined;
  /** The cookie name of an express-session that the app mounts before everything else. Default none. */
  readonly ownSession?: SessionOptions | undefined;
  /** Whether the app reads JSON, text and (extended) forms before portalAuth() sees them. */
  readonly parsers?: boolean | undefined;
  /** Whether it mounts cookie-parser before everything else. */
  readonly cookieParser?: boolean | undefined;
  readonly trustProxy?: boolean | undefined;
  /** Whether every other URL is guarded too, and responds with the requested URL. */
  readonly guardAll?: boolean | undefined;
  /** The page to which its onLogin hook sends every user. Default: no redirect. */
  readonly leadsTo?: unknown;
  /** Whether all parameters in the query of /login become authorizationParams. */
  readonly handsOnQueries?: boolean | undefined;
  /**
   * The index of the instance that is chosen for each host, all of them at the root. Default: each is mounted
   * by itself.
   */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
  /** Whether the log, with the events, goes to a logger of the app. */
  readonly ownLogger?: boolean | undefined;
  /** The target of its portalProxy() at /api. Default: no proxy. */
  readonly upstream?: string | undefined;
  /** The behaviour of the app's renderPage. Default: no renderPage. */
  readonly renders?: "throws" | "rejects" | "a number" | "all that it is given" | undefined;
}

/** The arguments that the app's own code has received. */
export interface Told {
  /** From the onError hook. */
  readonly failures: string[];
  /** From diagnostics channels, for all apps of the process since this one was opened. */
  readonly events: string[];
}

export interface OpenedApp {
  readonly key: number;
  readonly url: string;
}

/**
 * The process that runs the attacked applications (host-process.mjs). Every call rejects after it has ended.
 */
export class Host {
  /** The lines that the process has written. */
  readonly log: string[];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #exited: Promise<void>;
  readonly #marks = new Map<string, { resolve(): void; left: number }>();
  #last = 0;
  #pings = 0;

  static async start(log?: string[]): Promise<Host> {
    const host = new Host(log);
    await host.started;
    return host;
  }

  protected readonly started: Promise<unknown>;

  protected constructor(log: string[] = []) {
    this.log = log;
    this.started = new Promise((resolve, reject) => this.#waiting.set(0, { resolve, reject }));
    const program = fileURLToPath(new URL("host-process.mjs", import.meta.url));
    const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
    this.#child = fork(program, { env: cleanEnvironment(), execArgv: ["--expose-gc"], stdio: [...stdio] });
    for (const input of [this.#child.stdout, this.#child.stderr])
      if (input) createInterface({ input }).on("line", (line) => this.#read(line));
    this.#child.on("message", ({ id, result, failed }: { id: number; result?: unknown; failed?: string }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (failed === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(failed));
    });
    this.#exited = once(this.#child, "close").then(([code, signal]) => {
      const error = new Error(`the attacked process has ended (${signal ?? code}):\n${this.log.join("\n")}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  async open() {
    return (await this.#ask("open")) as OpenedApp;
  }
  async begin({ key }: OpenedApp, settings: AppSettings) {
    await this.#ask("begin", { key, settings });
  }
  async close({ key }: OpenedApp) {
    await this.#ask("close", { key });
  }
  /** Resolves if the process is alive, its objects are unchanged, and all its output is in the log. */
  async ping() {
    this.#pings += 1;
    const mark = `-- ping ${this.#pings} --`;
    // stdout and stderr
    const read = new Promise<void>((resolve) => this.#marks.set(mark, { resolve, left: 2 }));
    await this.#ask("ping", mark);
    await read;
  }
  async told({ key }: OpenedApp) {
    return (await this.#ask("told", { key })) as Told;
  }
  /** Returns this URL of the inspector, with the token that opens it once. */
  async inspectorLink({ key }: OpenedApp, address: string) {
    return (await this.#ask("inspectorLink", { key, address })) as string;
  }
  /** Runs the doctor for the app's router. */
  async diagnose({ key }: OpenedApp) {
    return (await this.#ask("diagnose", { key })) as Diagnosis;
  }
  /** Returns what keeps the process busy, by Node's names. */
  async resources() {
    return (await this.#ask("resources")) as string[];
  }
  /** Counts its objects, functions and texts. */
  async count() {
    return (await this.#ask("count")) as number;
  }
  /** Moves the clock of the process forward. */
  async later(seconds: number) {
    await this.#ask("later", seconds);
  }
  async stop() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #read(line: string): void {
    const mark = this.#marks.get(line);
    if (!mark) {
      this.log.push(line);
      return;
    }
    mark.left -= 1;
    if (mark.left > 0) return;
    this.#marks.delete(line);
    mark.resolve();
  }

  #ask(word: string, content?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#child.connected)
        return reject(new Error(`the attacked process has ended:\n${this.log.join("\n")}`));
      this.#last += 1;
      this.#waiting.set(this.#last, { resolve, reject });
      this.#child.send({ id: this.#last, word, content });
    });
  }
}
