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
const TO_REST_MS = 2000;

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
  words = new EventEmitter();
  /** Whether it runs and was not killed. */
  isWhole = true;
  readonly #child: ChildProcess;
  #outputsAtRest = 0;

  private constructor() {
    const program = fileURLToPath(new URL("programs/app.mjs", import.meta.url));
    this.#child = fork(program, {
      env: cleanEnvironment(),
      execArgv: [],
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.pid = this.#child.pid as number;
    this.#child.on("message", ({ word, content }: { word: string; content?: unknown }) =>
      this.words.emit(word, content),
    );
    for (const input of [this.#child.stdout, this.#child.stderr])
      if (input) createInterface({ input }).on("line", (line) => this.#read(line));
    this.ended = once(this.#child, "close").then(([code, signal]) => {
      this.isWhole = false;
      return { code, signal };
    });
  }

  static take(): Program {
    const spare = Program.#spare.pop();
    if (!spare?.isWhole) return new Program();
    spare.log = [];
    spare.words = new EventEmitter();
    spare.tell("again");
    return spare;
  }

  tell(word: string, content?: unknown): void {
    // The callback ignores failures: `ended` reports that the process is gone.
    if (this.#child.connected) this.#child.send({ word, content }, () => {});
  }

  kill(signal: NodeJS.Signals): void {
    this.isWhole = false;
    this.#child.kill(signal);
  }

  /** Waits until the app has finished its work. Resolves to false if the process cannot serve another app. */
  async rest(): Promise<boolean> {
    if (!this.isWhole) return false;
    const late = new AbortController();
    const rested = once(this.words, "both outputs rest").then(() => true);
    this.tell("rest");
    const never = Promise.race([this.ended, setTimeout(TO_REST_MS, undefined, late)]).then(() => false);
    const rests = await Promise.race([rested, never]);
    late.abort();
    never.catch(() => {});
    if (rests) Program.#spare.push(this);
    return rests;
  }

  #read(line: string): void {
    if (line !== "[rests]") {
      this.log.push(line);
      return;
    }
    this.#outputsAtRest += 1;
    if (this.#outputsAtRest % 2 === 0) this.words.emit("both outputs rest");
  }
}
