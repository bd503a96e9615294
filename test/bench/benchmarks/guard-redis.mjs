import { noRedis } from "../../support/servers/redis.mjs";
import { guard } from "./guard.mjs";

/** The benchmark `guard` with all sessions in one Redis: in connect-redis, or in createStore(). */
export const guardRedis = {
  ...guard,
  name: "guard-redis",
  title: "guard with the sessions in connect-redis and the logins in Redis, or with both in createStore()",
  programs: guard.programs.filter(({ settings }) => !settings.everything),
  store: "redis",
  missing: noRedis,
};
