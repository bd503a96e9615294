import { type ChildProcess, fork } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "../package/run.js";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Maximum time that a process gets to finish its work before it is killed instead of reused. */
const CLEAN_UP_TIMEOUT_MS = 2000;

/**
 * The line that an app writes to both outputs when it has finished its work. programs/serve.mjs writes it
 * too.
 */
const CLEANED_UP = "[cleaned up]";

/**
 * A process. Its start takes a second of CPU time, and the tests need two hundred. Therefore a process that
 * was not killed and has finished its work serves one app after another.
 */
export class Program {
  static readonly #spare: Program[] = [];

  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** The log of the current app. */
  log: string[] = [];
  messages = new EventEmitter();
  /** Whether it runs and was not killed. */
  isReusable = true;
  readonly #child: ChildProcess;
  #completeOutputs = 0;

  private constructor() {
    const program = fileURLToPath(new URL("programs/app.mjs", import.meta.url));
    this.#child = fork(program, {
      env: cleanEnvironment(),
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.pid = this.#child.pid as number;
    this.#child.on("message", ({ name, content }: { name: string; content?: unknown }) =>
      this.messages.emit(name, content),
    );
    for (const input of [this.#child.stdout, this.#child.stderr])
      if (input) createInterface({ input }).on("line", (line) => this.#read(line));
    this.ended = once(this.#child, "close").then(([code, signal]) => {
      this.isReusable = false;
      return { code, signal };
    });
  }

  static take(): Program {
    const spare = Program.#spare.pop();
    if (!spare?.isReusable) return new Program();
    spare.log = [];
    spare.messages = new EventEmitter();
    spare.send("again");
    return spare;
  }

  send(name: string, content?: unknown): void {
    // The callback ignores failures: `ended` reports that the process is gone.
    if (this.#child.connected) this.#child.send({ name, content }, () => {});
  }

  kill(signal: NodeJS.Signals): void {
    this.isReusable = false;
    this.#child.kill(signal);
  }

  /** Waits until the app has finished its work. Resolves to false if the process cannot serve another app. */
  async cleanUp(): Promise<boolean> {
    if (!this.isReusable) return false;
    const timeout = new AbortController();
    const hasCleanedUp = once(this.messages, "cleaned up").then(() => true);
    this.send("clean up");
    const hasFailed = Promise.race([this.ended, setTimeout(CLEAN_UP_TIMEOUT_MS, undefined, timeout)]).then(
      () => false,
    );
    const isReusable = await Promise.race([hasCleanedUp, hasFailed]);
    timeout.abort();
    hasFailed.catch(() => {});
    if (isReusable) Program.#spare.push(this);
    return isReusable;
  }

  #read(line: string): void {
    if (line !== CLEANED_UP) {
      this.log.push(line);
      return;
    }
    this.#completeOutputs += 1;
    if (this.#completeOutputs % 2 === 0) this.messages.emit("cleaned up");
  }
}
