import { setTimeout as sleep } from "node:timers/promises";
import { formatTime } from "./time-of-day.mjs";

/** When the faults happen, as parts of the whole time. */
const KILL_AT = 0.4;
const PAUSE_AT = 0.7;
const PAUSE_MS = 1000;

/** Kills and replaces one process, and later pauses Redis for a second. */
export async function killAndPause(world, { seconds }) {
  await sleep(KILL_AT * seconds * 1000);
  const restarted = world.killOne();
  restarted.catch(() => {}); // it is awaited below; without this, an early rejection would be unhandled
  await sleep((PAUSE_AT - KILL_AT) * seconds * 1000);
  await world.redis.pause();
  await sleep(PAUSE_MS);
  await world.redis.resume();
  await restarted;
  world.faults = `${world.killed.name} killed at ${formatTime(world.killed.at)}, Redis paused for 1 s`;
}

const REDIS_PAUSE_MS = 7000;
const PROCESS_PAUSE_MS = 8000;
/** The time without a pause, in which new refreshes start. */
const RUNNING_MS = 3000;

/** Pauses Redis and then one of the processes, in turn, while they have requests in progress. */
export async function pauseRepeatedly(world, { seconds }) {
  const endsAt = performance.now() + 1000 * seconds;
  const roundMs = 2 * RUNNING_MS + REDIS_PAUSE_MS + PROCESS_PAUSE_MS;
  let rounds = 0;
  while (rounds === 0 || performance.now() + roundMs < endsAt) {
    await sleep(RUNNING_MS);
    world.redis.pause();
    await sleep(REDIS_PAUSE_MS);
    world.redis.resume();
    await sleep(RUNNING_MS);
    const { program } = world.apps[rounds % world.apps.length];
    program.signal("SIGSTOP");
    await sleep(PROCESS_PAUSE_MS);
    program.signal("SIGCONT");
    rounds += 1;
  }
  world.faults = `Redis paused for 7 s and then a process for 8 s, ${rounds} times`;
}
