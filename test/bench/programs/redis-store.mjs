import { RedisStore } from "connect-redis";
import { createClient } from "redis";

/** Creates the store that the README of connect-redis recommends for express-session. */
export async function createRedisStore(url) {
  const client = createClient({ url });
  client.on("error", console.error); // without a listener, an error would end the process
  await client.connect();
  return new RedisStore({ client });
}
