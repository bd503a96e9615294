import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { startRedis } from "../../support/servers/redis.mjs";
import { type AppSettings, Host, type OpenedApp } from "./host.js";

interface Spread {
  readonly apps: readonly OpenedApp[];
  readonly door: Server;
}

/**
 * Several attacked processes that form one app: they share a Redis, and a proxy sends each request to the
 * next process.
 */
export class Cluster extends Host {
  readonly #others: readonly Host[];
  readonly #redis: Awaited<ReturnType<typeof startRedis>>;
  readonly #opened = new Map<string, Spread>();

  static async startSeveral(count: number): Promise<Cluster> {
    const log: string[] = [];
    const redis = await startRedis();
    const others = await Promise.all(Array.from({ length: count - 1 }, () => Host.start(log)));
    const cluster = new Cluster(log, others, redis);
    await cluster.started;
    return cluster;
  }

  private constructor(log: string[], others: readonly Host[], redis: Awaited<ReturnType<typeof startRedis>>) {
    super(log);
    this.#others = others;
    this.#redis = redis;
  }

  override async open() {
    const apps = [await super.open(), ...(await Promise.all(this.#others.map((host) => host.open())))];
    const ports = apps.map(({ url }) => Number(new URL(url).port));
    let turn = 0;
    const door = createServer((client) => {
      turn = (turn + 1) % ports.length;
      const app = connect(ports[turn] as number, "127.0.0.1");
      client.pipe(app).pipe(client);
      client.on("error", () => app.destroy());
      app.on("error", () => client.destroy());
    }).listen(0, "127.0.0.1");
    await once(door, "listening");
    const url = `http://127.0.0.1:${(door.address() as AddressInfo).port}`;
    this.#opened.set(url, { apps, door });
    return { key: apps[0]?.key ?? 0, url };
  }

  override async begin(app: OpenedApp, settings: AppSettings) {
    const instances = settings.instances.map((each) => ({
      ...each,
      options: { ...each.options, store: this.#redis.url },
    }));
    await this.#each(app, (host, its) => Host.prototype.begin.call(host, its, { ...settings, instances }));
  }

  override async close(app: OpenedApp) {
    const door = this.#opened.get(app.url)?.door;
    await this.#each(app, (host, its) => Host.prototype.close.call(host, its));
    this.#opened.delete(app.url);
    door?.close();
  }

  override async ping() {
    await Promise.all([super.ping(), ...this.#others.map((host) => host.ping())]);
  }

  override async told(app: OpenedApp) {
    const all = await this.#each(app, (host, its) => Host.prototype.told.call(host, its));
    return { failures: all.flatMap(({ failures }) => failures), events: all.flatMap(({ events }) => events) };
  }

  override async stop() {
    await Promise.all([super.stop(), ...this.#others.map((host) => host.stop())]);
    await this.#redis.stop();
  }

  async #each<T>({ url }: OpenedApp, work: (host: Host, its: OpenedApp) => Promise<T>): Promise<T[]> {
    const { apps } = this.#opened.get(url) as Spread;
    return Promise.all(apps.map((its, index) => work(this.#others[index - 1] ?? this, its)));
  }
}
