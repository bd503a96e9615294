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
  /** Of an express-session that the app mounts before all others. Default none. */
  readonly ownSession?: SessionOptions | undefined;
  /** Whether the app has read JSON, text and (extended) forms before portalAuth() sees them. */
  readonly parsers?: boolean | undefined;
  /** Whether it mounts cookie-parser before all others. */
  readonly cookieParser?: boolean | undefined;
  readonly trustProxy?: boolean | undefined;
  /** Whether every other address is guarded as well, and answers with what was asked for. */
  readonly guardAll?: boolean | undefined;
  /** Where its onLogin hook leads everybody. Default: nobody anywhere. */
  readonly leadsTo?: unknown;
  /** Whether all that stands in the query of /login becomes authorizationParams. */
  readonly handsOnQueries?: boolean | undefined;
  /** Which of the instances is chosen for which host, all of them at the root. Default: each is mounted by itself. */
  readonly tenants?: Readonly<Record<string, number>> | undefined;
  /** Whether the log goes to a logger of the app's, events as well. */
  readonly ownLogger?: boolean | undefined;
  /** Where its portalProxy() at /api leads. Default: there is none. */
  readonly upstream?: string | undefined;
  /** What the app's renderPage does. Default: there is none. */
  readonly renders?: "throws" | "rejects" | "a number" | "all that it is given" | undefined;
}

/** What an app's own code was told. */
export interface Told {
  /** By the onError hook. */
  readonly failures: string[];
  /** By diagnostics channels, of all apps of the process since this one began. */
  readonly events: string[];
}

export interface OpenedApp {
  readonly key: number;
  readonly url: string;
}

/** The process in which attacked applications live (host-process.mjs). Every question rejects when it has ended. */
export class Host {
  /** The lines that were written there. */
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
  /** It lives, its objects are as they were, and all that it has written is in the log. */
  async ping() {
    this.#pings += 1;
    const mark = `-- ping ${this.#pings} --`;
    const read = new Promise<void>((resolve) => this.#marks.set(mark, { resolve, left: 2 })); // stdout and stderr
    await this.#ask("ping", mark);
    await read;
  }
  async told({ key }: OpenedApp) {
    return (await this.#ask("told", { key })) as Told;
  }
  /** This address of the inspector, with the token that opens it once. */
  async inspectorLink({ key }: OpenedApp, address: string) {
    return (await this.#ask("inspectorLink", { key, address })) as string;
  }
  /** What the doctor says of it. */
  async diagnose({ key }: OpenedApp) {
    return (await this.#ask("diagnose", { key })) as Diagnosis;
  }
  /** What keeps it busy, by Node's names. */
  async resources() {
    return (await this.#ask("resources")) as string[];
  }
  /** How many objects, functions and texts it holds. */
  async count() {
    return (await this.#ask("count")) as number;
  }
  /** Turns the time on, of the process and all that is in it. */
  async later(seconds: number) {
    await this.#ask("later", seconds);
  }
  async stop() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  #read(line: string): void {
    const mark = this.#marks.get(line);
    if (!mark) return void this.log.push(line);
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
