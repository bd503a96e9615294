import { startRedis } from "../../support/servers/redis.mjs";
import { createAgent } from "./browser.mjs";
import { Program } from "./process.mjs";

/** The client that the provider knows, for all applications. */
export const CLIENT = { clientId: "bench-app", clientSecret: "the-client-secret-of-the-bench-app" };

/** Programs that start and stop together, with the client's connections to them, and a Redis if necessary. */
export class Launch {
  agent = createAgent();
  #profile;
  #programs = [];
  #redis;

  constructor({ profile }) {
    this.#profile = profile;
  }

  /** Starts a program. Returns `[program, firstMessage]`. Only measured programs get a profile. */
  async start(file, { measured = false } = {}) {
    const [program, firstMessage] = await Program.start(file, measured ? { profile: this.#profile } : {});
    this.#programs.push(program);
    return [program, firstMessage];
  }

  async startRedis() {
    this.#redis = await startRedis();
    return this.#redis;
  }

  async stop() {
    this.agent.destroy();
    await Promise.all(this.#programs.map((program) => program.stop()));
    await this.#redis?.stop();
  }
}
