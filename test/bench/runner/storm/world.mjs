import { CLIENT, Launch } from "../launch.mjs";

/** The lifetime is short, so that the tokens of each session expire many times. */
export const TOKEN_SECONDS = 2;
export const LEEWAY_SECONDS = 0.5;
/** Signatures with ES256 are fast, which matters for so many tokens. */
const PROVIDER = { accessTokenSeconds: TOKEN_SECONDS, rotateRefreshTokens: true, signingAlg: "ES256" };

/** One Redis, one provider, and several processes of one application. */
export class World {
  /** The running processes. */
  apps = [];
  /** The killed process, and the time of the kill. */
  killed;
  /** A description of the injected faults. */
  faults = "";
  #launch;
  #settings;
  #size;

  static async start(size) {
    const world = new World(size);
    try {
      await world.#start();
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  constructor(size) {
    this.#size = size;
    this.#launch = new Launch(size);
  }

  get agent() {
    return this.#launch.agent;
  }

  async #start() {
    this.redis = await this.#launch.startRedis();
    for (let number = 1; number <= this.#size.processes; number += 1)
      this.apps.push(await this.#startApp(`process ${number}`));
    const [provider] = await this.#launch.start("storm-provider.mjs");
    const redirectUri = `${this.apps[0].origin}/callback`; // all processes are one application with one URL
    const { from, oneWayMs, session } = this.#size;
    const { issuer } = await provider.request({
      ...PROVIDER,
      ...CLIENT,
      redirectUris: [redirectUri],
      from,
      oneWayMs,
    });
    this.provider = provider;
    this.#settings = {
      ...CLIENT,
      issuer,
      redirectUri,
      store: this.redis.url,
      refreshLeeway: LEEWAY_SECONDS,
      session,
      from,
    };
    await Promise.all(this.apps.map((app) => this.#configure(app)));
  }

  async #startApp(name) {
    const [program, { origin }] = await this.#launch.start("storm-app.mjs", { measured: true });
    return { name, origin, program };
  }

  #configure({ name, program }) {
    return program.request({ ...this.#settings, processName: name });
  }

  /** Kills a random process with its requests in progress, and starts another one. */
  async killOne() {
    const [app] = this.apps.splice(Math.floor(Math.random() * this.apps.length), 1);
    this.killed = { name: app.name, at: Date.now() };
    await app.program.kill();
    const replacement = await this.#startApp(`${app.name}, restarted`);
    await this.#configure(replacement);
    this.apps.push(replacement);
  }

  stop() {
    return this.#launch.stop();
  }
}
