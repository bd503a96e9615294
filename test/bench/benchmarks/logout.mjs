import { noPostgres } from "../../support/servers/postgres.mjs";
import { noRedis } from "../../support/servers/redis.mjs";
import { runLogout } from "../runner/logout.mjs";

/** How long it takes to end a thousand sessions of one user, and whether a login takes longer if there are many. */
export const logout = {
  name: "logout",
  missing: noRedis || noPostgres,
  size: { sessions: 1000, rounds: 3 },
  run: runLogout,
};
