import session, { type Store } from "express-session";
import { expect, test } from "vitest";
import { isRedisStore } from "../../../lib/session/stores/redis-update.js";

const nothing = () => {};
const nodeRedis = { get: nothing, eval: nothing, mGet: nothing };
const storeWith = (members: object) => Object.assign(new session.MemoryStore(), members) as Store;

test.each<[string, object, boolean]>([
  ["connect-redis 9", { client: nodeRedis, prefix: "sess:", serializer: JSON }, true],
  [
    "with ioredis, as connect-redis 6 took it",
    { client: { get: nothing, eval: nothing, mget: nothing }, prefix: "sess:", serializer: JSON },
    false,
  ],
  [
    "in legacyMode, whose methods want callbacks",
    { client: { ...nodeRedis, v4: {} }, prefix: "sess:", serializer: JSON },
    false,
  ],
  [
    "connect-redis 7 and 8, which wrap their client",
    { client: { get: nothing, mget: nothing }, prefix: "sess:", serializer: JSON },
    false,
  ],
  ["another kind", {}, false],
])("a store of %s is recognised, or not", (_name, members, is) => {
  expect(isRedisStore(storeWith(members))).toBe(is);
});
