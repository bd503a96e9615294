import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findRedis } from "./find.mjs";
import { onFreePort } from "./free-port.mjs";
import { launch } from "./launch.mjs";
import { type RedisServer, startRedis } from "./redis.mjs";
import { untilRedisReports, untilReplicaFollows } from "./redis-command.js";
import { temporaryFolder } from "./temporary-folder.mjs";

/** Starts a master, its replica and a sentinel, which replaces the master half a second after a failure. */
export interface RedisSentinel {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  readonly port: number;
  /** The name of the master at the sentinel. */
  readonly name: string;
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const NAME = "portal";

export async function startRedisSentinel(): Promise<RedisSentinel> {
  const folder = temporaryFolder("sentinel");
  const stops: (() => Promise<unknown>)[] = [async () => folder.remove()];
  const stop = async () => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const master = await startRedis();
    stops.push(master.stop);
    const replica = await startRedis({ settings: { replicaof: `${HOST} ${master.port}` } });
    stops.push(replica.stop);
    await untilReplicaFollows(replica.port);
    const sentinel = await onFreePort((port) => launchSentinel(port, folder.path, master.port));
    stops.push(sentinel.stop);
    await untilRedisReports(
      sentinel.port,
      ["SENTINEL", "REPLICAS", NAME],
      [`${replica.port}`, "master-link-status,ok"],
    );
    return { master, replica, port: sentinel.port, name: NAME, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function launchSentinel(port: number, folder: string, masterPort: number) {
  // The sentinel stores its state in this file.
  const file = join(folder, `sentinel-${randomInt(1e9)}.conf`);
  const lines = [
    `port ${port}`,
    `bind ${HOST}`,
    `dir ${folder}`,
    `sentinel monitor ${NAME} ${HOST} ${masterPort} 1`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 5000`,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const end = (pid: number) => process.kill(pid, "SIGKILL");
  const program = findRedis() ?? "redis-server";
  const { stop } = await launch(program, [file, "--sentinel"], { ready: /\+monitor master/, end });
  return { port, stop };
}
