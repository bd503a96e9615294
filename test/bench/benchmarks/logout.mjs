import { noRedis } from "../../support/servers/redis.mjs";
import { runLogout } from "../runner/logout.mjs";

/** What an index of each person's sessions costs a login, and how long it takes to end a thousand of them. */
export const logout = {
  name: "logout",
  missing: noRedis,
  size: { sessions: 1000, rounds: 5 },
  run: runLogout,
};
