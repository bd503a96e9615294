import { noRedis } from "../../support/servers/redis.mjs";
import { pauseRepeatedly } from "../runner/storm/faults.mjs";
import { runStorm } from "../runner/storm/storm.mjs";

/** Runs the storm of `refresh` with a slow provider, while Redis and the processes are paused in turn. */
export const standstill = {
  name: "standstill",
  missing: noRedis,
  size: { seconds: 300, sessions: 300, processes: 4, rate: 60 },
  /** A shorter run if all benchmarks run. */
  sizeAmongAll: { seconds: 60 },
  run: (size) => runStorm({ ...size, name: "standstill", injectFaults: pauseRepeatedly, oneWayMs: 500 }),
};
