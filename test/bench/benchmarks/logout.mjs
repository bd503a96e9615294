import { noPostgres } from "../../support/servers/postgres.mjs";
import { noRedis } from "../../support/servers/redis.mjs";
import { runLogout } from "../runner/logout.mjs";

/** Measures how long it takes to end 1,000 sessions of one user, and how many sessions slow down a login. */
export const logout = {
  name: "logout",
  missing: noRedis || noPostgres,
  size: { sessions: 1000, rounds: 3 },
  run: runLogout,
};
