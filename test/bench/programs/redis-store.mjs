import { RedisStore } from "connect-redis";
import { createClient } from "redis";

/** What an app hands to express-session to keep its sessions in Redis, by the README of connect-redis. */
export async function redisStore(url) {
  const client = createClient({ url });
  client.on("error", console.error); // without a listener it would end the process
  await client.connect();
  return new RedisStore({ client });
}
