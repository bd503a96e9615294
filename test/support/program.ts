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

/** Whoever has something under way for longer shall not be waited for. */
const TO_REST_MS = 2000;

/**
 * The process itself. To start one takes a second of CPU time, and these tests want two hundred: so one that nobody has
 * killed, and in which nothing is left under way, serves one app after another.
 */
export class Program {
  static readonly #spare: Program[] = [];

  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Of the app that it serves now. */
  log: string[] = [];
  words = new EventEmitter();
  /** Nobody has killed it. */
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
    if (this.#child.connected) this.#child.send({ word, content }, () => {}); // that it is gone, others notice
  }

  kill(signal: NodeJS.Signals): void {
    this.isWhole = false;
    this.#child.kill(signal);
  }

  /** False when there is something left in it that would come into the way of another app. */
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
