import { connect, createServer, type Server } from "node:net";
import { close, listen } from "../../support/serve.js";
import { startRedis } from "../../support/servers/redis.mjs";
import { type AppSettings, Host, type OpenedApp } from "./host.js";

interface OpenedCluster {
  readonly apps: readonly OpenedApp[];
  readonly proxy: Server;
}

/**
 * Several attacked processes that form one app: they share a Redis, and a proxy sends each request to the
 * next process.
 */
export class Cluster extends Host {
  readonly #others: readonly Host[];
  readonly #redis: Awaited<ReturnType<typeof startRedis>>;
  readonly #opened = new Map<string, OpenedCluster>();

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
    let next = 0;
    const proxy = createServer((client) => {
      next = (next + 1) % ports.length;
      const app = connect(ports[next] as number, "127.0.0.1");
      client.pipe(app).pipe(client);
      client.on("error", () => app.destroy());
      app.on("error", () => client.destroy());
    });
    const url = await listen(proxy);
    this.#opened.set(url, { apps, proxy });
    return { key: apps[0]?.key ?? 0, url };
  }

  override async serve(app: OpenedApp, settings: AppSettings) {
    const instances = settings.instances.map((instance) => ({
      ...instance,
      options: { ...instance.options, store: this.#redis.url },
    }));
    await this.#each(app, (host, own) => Host.prototype.serve.call(host, own, { ...settings, instances }));
  }

  override async close(app: OpenedApp) {
    const proxy = this.#opened.get(app.url)?.proxy;
    await this.#each(app, (host, own) => Host.prototype.close.call(host, own));
    this.#opened.delete(app.url);
    if (proxy) await close(proxy);
  }

  override async ping() {
    await Promise.all([super.ping(), ...this.#others.map((host) => host.ping())]);
  }

  override async readReceived(app: OpenedApp) {
    const all = await this.#each(app, (host, own) => Host.prototype.readReceived.call(host, own));
    return { failures: all.flatMap(({ failures }) => failures), events: all.flatMap(({ events }) => events) };
  }

  override async stop() {
    await Promise.all([super.stop(), ...this.#others.map((host) => host.stop())]);
    await this.#redis.stop();
  }

  async #each<T>({ url }: OpenedApp, work: (host: Host, own: OpenedApp) => Promise<T>): Promise<T[]> {
    const { apps } = this.#opened.get(url) as OpenedCluster;
    return Promise.all(apps.map((own, index) => work(this.#others[index - 1] ?? this, own)));
  }
}
