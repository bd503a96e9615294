import { noRedis } from "../../support/servers/redis.mjs";
import { ownSession } from "./own-session.mjs";

/** The same with all sessions in one Redis: the hand-written app uses connect-redis, ours the address of the Redis. */
export const ownSessionRedis = {
  ...ownSession,
  name: "own-session-redis",
  title:
    "the same with the sessions in Redis: by hand with connect-redis, ours with its address as the store",
  programs: ownSession.programs.map((program) => (program.target ? { ...program, target: 1 } : program)),
  store: "redis",
  missing: noRedis,
};
