import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const REPLY_TIMEOUT_MS = 30_000;
const EXIT_TIMEOUT_MS = 5_000;
const MAX_STDERR_CHARACTERS = 10_000;

const runningChildren = new Set();

/** Kills all programs at once, for the case that the runner itself must end. */
export function killAll() {
  for (const child of runningChildren) child.kill("SIGKILL");
}

/** A program in its own process. It exchanges messages with the runner. */
export class Program {
  #child;
  #name;
  #stderr = "";
  #exited;

  /** Starts a program and waits for its first message. Returns `[program, firstMessage]`. */
  static async start(file, { profile } = {}) {
    const program = new Program(file, profile);
    return [program, await program.#receive()];
  }

  constructor(file, profile) {
    this.#name = file;
    this.#child = fork(fileURLToPath(new URL(`../programs/${file}`, import.meta.url)), {
      env: createEnvironment(),
      execArgv: profile ? ["--cpu-prof", `--cpu-prof-dir=${profile}`] : [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    runningChildren.add(this.#child);
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARACTERS); // shown only if the program fails
    });
    this.#exited = once(this.#child, "exit").then(() => runningChildren.delete(this.#child));
  }

  /** Sends a message and waits for the reply. */
  async request(message) {
    const reply = this.#receive();
    this.#child.send(message);
    return reply;
  }

  async #receive() {
    let timer;
    const createError = (problem) => new Error(`${this.#name} ${problem}\n${this.#stderr}`);
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(createError("does not reply")), REPLY_TIMEOUT_MS);
    });
    const exit = this.#exited.then(() => Promise.reject(createError("has ended")));
    try {
      const [message] = await Promise.race([once(this.#child, "message"), exit, timeout]);
      return message;
    } finally {
      clearTimeout(timer);
      exit.catch(() => {}); // after the reply, the end of the program is expected
    }
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Ends the program immediately with SIGKILL. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Lets the program end normally, so that it can write its profile. */
  async stop() {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), EXIT_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

/** Returns the runner's environment as in production, without variables that would configure the programs. */
function createEnvironment() {
  const unrelated = Object.entries(process.env).filter(
    ([name]) => !/^(PORTAL_|SESSION_|TOKEN_|NODE_|DEBUG$)/.test(name),
  );
  return { ...Object.fromEntries(unrelated), NODE_ENV: "production" };
}
