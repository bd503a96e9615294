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
  /** The options of an express-session that the app mounts first. Default: no express-session. */
  readonly ownSession?: SessionOptions | undefined;
  /** Whether the app reads JSON, text and (extended) forms before portalAuth() sees them. */
  readonly hasParsers?: boolean | undefined;
  /** Whether the app mounts cookie-parser before everything else. */
  readonly hasCookieParser?: boolean | undefined;
  /** Whether Express' setting "trust proxy" is on. */
  readonly trustsProxy?: boolean | undefined;
  /** Whether every other URL is guarded too, and responds with the requested URL. */
  readonly isFullyGuarded?: boolean | undefined;
  /** The page to which the app's onLogin hook sends every user. Default: no redirect. */
  readonly returnTo?: unknown;
  /** Whether all parameters in the query of /login become authorizationParams. */
  readonly forwardsQuery?: boolean | undefined;
  /**
   * The index of the instance that is chosen for each host, all of them at the root. Default: each instance
   * is mounted at its own path.
   */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
  /** Whether the log, with the events, goes to a logger of the app. */
  readonly hasLogger?: boolean | undefined;
  /** The target of the app's portalProxy() at /api. Default: no proxy. */
  readonly upstream?: string | undefined;
  /** The behaviour of the app's renderPage. Default: no renderPage. */
  readonly pageTemplate?: "throws" | "rejects" | "a number" | "shows all arguments" | undefined;
}

/** The arguments that the app's own code has received. */
export interface ReceivedByApp {
  /** From the onError hook. */
  readonly failures: string[];
  /** From diagnostics channels, for all apps of the process since this one was opened. */
  readonly events: string[];
}

/** The reply of the process to a call. */
interface Reply {
  readonly id: number;
  readonly result?: unknown;
  readonly failed?: string;
}

export interface OpenedApp {
  readonly key: number;
  readonly url: string;
}

/** The process that runs the attacked applications (host-process.mjs). After its end every call rejects. */
export class Host {
  /** The lines that the process has written. */
  readonly log: string[];
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #exited: Promise<void>;
  /** The marks that a ping waits for, with the number of outputs in which each is still missing. */
  readonly #marks = new Map<string, { resolve(): void; missing: number }>();
  #lastId = 0;
  #pings = 0;

  static async start(log?: string[]): Promise<Host> {
    const host = new Host(log);
    await host.started;
    return host;
  }

  protected readonly started: Promise<unknown>;

  protected constructor(log: string[] = []) {
    this.log = log;
    this.started = new Promise((resolve, reject) => this.#pending.set(0, { resolve, reject }));
    const program = fileURLToPath(new URL("host-process.mjs", import.meta.url));
    const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
    this.#child = fork(program, { env: cleanEnvironment(), execArgv: ["--expose-gc"], stdio: [...stdio] });
    for (const input of [this.#child.stdout, this.#child.stderr])
      if (input) createInterface({ input }).on("line", (line) => this.#read(line));
    this.#child.on("message", (reply: Reply) => this.#settle(reply));
    this.#exited = once(this.#child, "close").then(([code, signal]) => {
      const error = new Error(`the attacked process has ended (${signal ?? code}):\n${this.log.join("\n")}`);
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
  }

  /** Opens an app that listens and serves nothing before serve(). */
  async open() {
    return (await this.#call("open")) as OpenedApp;
  }
  /** Mounts the routers and routes of an opened app. */
  async serve({ key }: OpenedApp, settings: AppSettings) {
    await this.#call("serve", { key, settings });
  }
  async close({ key }: OpenedApp) {
    await this.#call("close", { key });
  }
  /** Resolves if the process is alive, its objects are unchanged, and all its output is in the log. */
  async ping() {
    this.#pings += 1;
    const mark = `-- ping ${this.#pings} --`;
    // once in stdout and once in stderr
    const read = new Promise<void>((resolve) => this.#marks.set(mark, { resolve, missing: 2 }));
    await this.#call("ping", mark);
    await read;
  }
  /** Returns what the app's own code has received so far. */
  async readReceived({ key }: OpenedApp) {
    return (await this.#call("readReceived", { key })) as ReceivedByApp;
  }
  /** Returns this URL of the inspector, with the token that opens it once. */
  async inspectorLink({ key }: OpenedApp, url: string) {
    return (await this.#call("inspectorLink", { key, url })) as string;
  }
  /** Runs the doctor for the app's router. */
  async diagnose({ key }: OpenedApp) {
    return (await this.#call("diagnose", { key })) as Diagnosis;
  }
  /** Returns what keeps the process busy, by Node's names. */
  async resources() {
    return (await this.#call("resources")) as string[];
  }
  /** Counts the objects, functions and texts of the process. */
  async countObjects() {
    return (await this.#call("countObjects")) as number;
  }
  /** Moves the clock of the process forward. */
  async advanceClock(seconds: number) {
    await this.#call("advanceClock", seconds);
  }
  async stop() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #settle({ id, result, failed }: Reply): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (failed === undefined) pending?.resolve(result);
    else pending?.reject(new Error(failed));
  }

  #read(line: string): void {
    const mark = this.#marks.get(line);
    if (!mark) {
      this.log.push(line);
      return;
    }
    mark.missing -= 1;
    if (mark.missing > 0) return;
    this.#marks.delete(line);
    mark.resolve();
  }

  #call(method: string, argument?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#child.connected)
        return reject(new Error(`the attacked process has ended:\n${this.log.join("\n")}`));
      this.#lastId += 1;
      this.#pending.set(this.#lastId, { resolve, reject });
      this.#child.send({ id: this.#lastId, method, argument });
    });
  }
}
