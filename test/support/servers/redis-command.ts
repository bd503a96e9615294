import { createClient } from "redis";
import { vi } from "vitest";

const WAIT = { timeout: 60_000, interval: 50 };

/** Sends one command to a server of this machine, on a connection of its own. */
export async function redisCommand(port: number, ...command: string[]): Promise<unknown> {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 });
  client.on("error", () => {}); // The command reports it.
  await client.connect();
  try {
    return await client.sendCommand(command);
  } finally {
    client.destroy();
  }
}

/** Sends a command to a server again and again until its answer has all of these texts. */
export async function untilRedisSays(
  port: number,
  command: readonly string[],
  texts: readonly string[],
): Promise<void> {
  await vi.waitFor(async () => {
    const answer = String(await redisCommand(port, ...command));
    const missing = texts.filter((text) => !answer.includes(text));
    if (missing.length > 0)
      throw new Error(`${command.join(" ")} does not say ${missing.join(", ")}: ${answer}`);
  }, WAIT);
}

/** Waits until a replica receives what its master writes. */
export const untilReplicaFollows = (port: number) =>
  untilRedisSays(port, ["INFO", "replication"], ["role:slave", "master_link_status:up"]);
