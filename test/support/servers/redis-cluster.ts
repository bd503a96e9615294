import { type RedisServer, startRedis } from "./redis.mjs";
import { redisCommand, untilRedisReports, untilReplicaFollows } from "./redis-command.js";

/** A Redis Cluster of three masters with a replica each. */
export interface RedisCluster {
  readonly masters: readonly RedisServer[];
  readonly replicas: readonly RedisServer[];
  stop(): Promise<void>;
}

const HOST = "127.0.0.1";
const SLOTS = 16_384;
const MASTERS = 3;

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let n = 0; n < 2 * MASTERS; n += 1) nodes.push(await startNode());
    const cluster = { masters: nodes.slice(0, MASTERS), replicas: nodes.slice(MASTERS), stop };
    await meet(nodes, cluster.masters);
    await follow(cluster);
    return cluster;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A node of a cluster also listens on its port plus 10,000. */
const startNode = () => startRedis({ settings: { "cluster-enabled": "yes", "cluster-node-timeout": 5000 } });

async function meet(nodes: readonly RedisServer[], masters: readonly RedisServer[]): Promise<void> {
  for (const [n, { port }] of nodes.entries())
    await redisCommand(port, "CLUSTER", "SET-CONFIG-EPOCH", `${n + 1}`);
  for (const [n, { port }] of masters.entries())
    await redisCommand(port, "CLUSTER", "ADDSLOTS", ...slotsOf(n));
  const [first, ...others] = nodes;
  for (const { port } of others) await redisCommand(first?.port ?? 0, "CLUSTER", "MEET", HOST, `${port}`);
  const texts = ["cluster_state:ok", `cluster_known_nodes:${nodes.length}`];
  for (const { port } of nodes) await untilRedisReports(port, ["CLUSTER", "INFO"], texts);
}

async function follow({ masters, replicas }: RedisCluster): Promise<void> {
  for (const [n, { port }] of replicas.entries()) {
    const id = String(await redisCommand(masters[n]?.port ?? 0, "CLUSTER", "MYID"));
    await redisCommand(port, "CLUSTER", "REPLICATE", id);
  }
  await Promise.all(replicas.map(({ port }) => untilReplicaFollows(port)));
  // Clients learn of the replicas from any node.
  const slaves = replicas.map(({ port }) => `${HOST},${port}`);
  for (const { port } of masters) await untilRedisReports(port, ["CLUSTER", "SLOTS"], slaves);
}

function slotsOf(master: number): string[] {
  const firstOf = (n: number) => Math.floor((n * SLOTS) / MASTERS);
  return Array.from({ length: firstOf(master + 1) - firstOf(master) }, (_, n) => String(firstOf(master) + n));
}
