import { noRedis } from "../../support/servers/redis.mjs";
import { ownSession } from "./own-session.mjs";

/**
 * The benchmark `own-session` with all sessions in one Redis. The hand-written program uses connect-redis.
 */
export const ownSessionRedis = {
  ...ownSession,
  name: "own-session-redis",
  title: "own-session with the sessions in Redis: by hand with connect-redis, ours with the option store",
  programs: ownSession.programs.map((program) => (program.target ? { ...program, target: 1 } : program)),
  store: "redis",
  missing: noRedis,
};
