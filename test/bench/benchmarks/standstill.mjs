import { noRedis } from "../../support/servers/redis.mjs";
import { runStorm } from "../runner/storm/storm.mjs";
import { standStillAgainAndAgain } from "../runner/storm/trouble.mjs";

/** The storm of `refresh`, in which Redis and the processes stand still in turn while the provider answers. */
export const standstill = {
  name: "standstill",
  missing: noRedis,
  size: { seconds: 300, sessions: 300, processes: 4, rate: 60 },
  /** Beside all the others it must not take most of their time. */
  sizeAmongAll: { seconds: 60 },
  run: (size) => runStorm({ ...size, name: "standstill", trouble: standStillAgainAndAgain, oneWayMs: 500 }),
};
