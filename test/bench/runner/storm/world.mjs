import { CLIENT, Launch } from "../launch.mjs";

/** So short that every session's tokens end many times. */
export const TOKEN_SECONDS = 2;
export const LEEWAY_SECONDS = 0.5;
/** ES256 is what makes so many tokens cheap to sign. */
const PORTAL = { accessTokenSeconds: TOKEN_SECONDS, rotateRefreshTokens: true, signingAlg: "ES256" };

/** One Redis, one portal, and several processes of one app. */
export class World {
  /** The processes that can be asked now. */
  apps = [];
  /** The process that was killed, and when. */
  killed;
  /** What has gone wrong on purpose, in words. */
  troubles = "";
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
      this.apps.push(await this.#load(`process ${number}`));
    const [portal] = await this.#launch.start("storm-portal.mjs");
    const redirectUri = `${this.apps[0].origin}/callback`; // of all processes: they are one app
    const { from, oneWayMs, session } = this.#size;
    const { issuer } = await portal.ask({
      ...PORTAL,
      ...CLIENT,
      redirectUris: [redirectUri],
      from,
      oneWayMs,
    });
    this.portal = portal;
    this.#settings = {
      ...CLIENT,
      issuer,
      redirectUri,
      store: this.redis.url,
      refreshLeeway: LEEWAY_SECONDS,
      session,
      from,
    };
    await Promise.all(this.apps.map((app) => this.#open(app)));
  }

  async #load(name) {
    const [program, { origin }] = await this.#launch.start("storm-app.mjs", { measured: true });
    return { name, origin, program };
  }

  #open({ name, program }) {
    return program.ask({ ...this.#settings, processName: name });
  }

  /** As a machine dies, in the middle of whatever it does. Another process takes its place. */
  async killOne() {
    const [app] = this.apps.splice(Math.floor(Math.random() * this.apps.length), 1);
    this.killed = { name: app.name, at: Date.now() };
    await app.program.kill();
    const next = await this.#load(`${app.name}, restarted`);
    await this.#open(next);
    this.apps.push(next);
  }

  stop() {
    return this.#launch.stop();
  }
}
