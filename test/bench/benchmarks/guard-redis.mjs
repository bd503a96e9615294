import { noRedis } from "../../support/servers/redis.mjs";
import { guard } from "./guard.mjs";

/** The same with all sessions in one Redis: in connect-redis, or in createStore(). */
export const guardRedis = {
  ...guard,
  name: "guard-redis",
  title:
    "the same with the sessions in Redis, in connect-redis; the logins beside them, or both in createStore()",
  programs: guard.programs.filter(({ settings }) => !settings.everything),
  store: "redis",
  missing: noRedis,
};
