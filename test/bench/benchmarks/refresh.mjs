import { noRedis } from "../../support/servers/redis.mjs";
import { runStorm } from "../runner/storm/storm.mjs";
import { killAndPause } from "../runner/storm/trouble.mjs";

/** Many requests for sessions whose tokens end all the time, by several processes, while things go wrong. */
export const refresh = {
  name: "refresh",
  missing: noRedis,
  size: { seconds: 300, sessions: 300, processes: 4, rate: 150 },
  /** Beside all the others it must not take most of their time. */
  sizeAmongAll: { seconds: 60 },
  run: (size) => runStorm({ ...size, name: "refresh", trouble: killAndPause, oneWayMs: 10 }),
};
