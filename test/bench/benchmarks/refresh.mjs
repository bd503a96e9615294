import { noRedis } from "../../support/servers/redis.mjs";
import { killAndPause } from "../runner/storm/faults.mjs";
import { runStorm } from "../runner/storm/storm.mjs";

/** Sends many requests to several processes while tokens expire, a process is killed and Redis is paused. */
export const refresh = {
  name: "refresh",
  missing: noRedis,
  size: { seconds: 300, sessions: 300, processes: 4, rate: 150 },
  /** A shorter run if all benchmarks run. */
  sizeAmongAll: { seconds: 60 },
  run: (size) => runStorm({ ...size, name: "refresh", injectFaults: killAndPause, oneWayMs: 10 }),
};
