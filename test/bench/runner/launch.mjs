import { startRedis } from "../../support/servers/redis.mjs";
import { connections } from "./browser.mjs";
import { Program } from "./process.mjs";

/** As which the apps are known to the portal. */
export const CLIENT = { clientId: "bench-app", clientSecret: "the-client-secret-of-the-bench-app" };

/** What is started together and stopped together: programs, the client's connections to them, and a Redis if asked for. */
export class Launch {
  agent = connections();
  #profile;
  #programs = [];
  #redis;

  constructor({ profile }) {
    this.#profile = profile;
  }

  /** Resolves to `[program, firstWord]`. Only what is measured gets a profile. */
  async start(file, { measured = false } = {}) {
    const [program, firstWord] = await Program.start(file, measured ? { profile: this.#profile } : {});
    this.#programs.push(program);
    return [program, firstWord];
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
