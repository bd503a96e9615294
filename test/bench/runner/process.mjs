import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ANSWER_MS = 30_000;
const EXIT_MS = 5_000;
const MOST_STDERR = 10_000;

const alive = new Set();

/** At once, and without asking: for when the runner itself must go. */
export function killAll() {
  for (const child of alive) child.kill("SIGKILL");
}

/** A program in a process of its own, and the talk with it. */
export class Program {
  #child;
  #name;
  #stderr = "";
  #gone;

  /** Resolves when the program has said its first word, to `[program, firstWord]`. */
  static async start(file, { profile } = {}) {
    const program = new Program(file, profile);
    return [program, await program.#hear()];
  }

  constructor(file, profile) {
    this.#name = file;
    this.#child = fork(fileURLToPath(new URL(`../programs/${file}`, import.meta.url)), {
      env: environment(),
      execArgv: profile ? ["--cpu-prof", `--cpu-prof-dir=${profile}`] : [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    alive.add(this.#child);
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr = (this.#stderr + text).slice(-MOST_STDERR); // told only if the program fails
    });
    this.#gone = once(this.#child, "exit").then(() => alive.delete(this.#child));
  }

  /** Sends a message and waits for the answer. */
  async ask(message) {
    const answer = this.#hear();
    this.#child.send(message);
    return answer;
  }

  async #hear() {
    let timer;
    const failed = (why) => new Error(`${this.#name} ${why}\n${this.#stderr}`);
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(failed("does not answer")), ANSWER_MS);
    });
    const gone = this.#gone.then(() => Promise.reject(failed("has ended")));
    try {
      const [answer] = await Promise.race([once(this.#child, "message"), gone, late]);
      return answer;
    } finally {
      clearTimeout(timer);
      gone.catch(() => {}); // its end is good news by then
    }
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Ends the program at once, whatever it is doing. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#gone;
  }

  /** Lets the program end by itself, which a profile needs to be written. */
  async stop() {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), EXIT_MS);
    await this.#gone;
    clearTimeout(timer);
  }
}

/** The caller's, as in production, and without what would configure the programs behind the runner's back. */
function environment() {
  const foreign = Object.entries(process.env).filter(
    ([name]) => !/^(PORTAL_|SESSION_|TOKEN_|NODE_|DEBUG$)/.test(name),
  );
  return { ...Object.fromEntries(foreign), NODE_ENV: "production" };
}
