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

/** Sends a command to a server again and again until its response contains all of these texts. */
export async function untilRedisReports(
  port: number,
  command: readonly string[],
  texts: readonly string[],
): Promise<void> {
  await vi.waitFor(async () => {
    const response = String(await redisCommand(port, ...command));
    const missing = texts.filter((text) => !response.includes(text));
    if (missing.length > 0)
      throw new Error(`${command.join(" ")} does not report ${missing.join(", ")}: ${response}`);
  }, WAIT);
}

/** Waits until a replica receives what its master writes. */
export const untilReplicaFollows = (port: number) =>
  untilRedisReports(port, ["INFO", "replication"], ["role:slave", "master_link_status:up"]);
