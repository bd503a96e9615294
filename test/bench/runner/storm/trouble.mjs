import { setTimeout as sleep } from "node:timers/promises";
import { clock } from "./clock.mjs";

/** When it comes, as parts of the whole time. */
const KILL_AT = 0.4;
const PAUSE_AT = 0.7;
const PAUSE_MS = 1000;

/** One process is killed and replaced; later Redis stands still for a second. */
export async function killAndPause(world, { seconds }) {
  await sleep(KILL_AT * seconds * 1000);
  const restarted = world.killOne();
  restarted.catch(() => {}); // awaited below: until then it is no unhandled rejection
  await sleep((PAUSE_AT - KILL_AT) * seconds * 1000);
  await world.redis.pause();
  await sleep(PAUSE_MS);
  await world.redis.resume();
  await restarted;
  world.troubles = `${world.killed.name} killed at ${clock(world.killed.at)}, Redis paused for 1 s`;
}

const REDIS_STANDS_STILL_MS = 7000;
const PROCESS_STANDS_STILL_MS = 8000;
/** In between everything works, so that further refreshes are under way. */
const WORKS_MS = 3000;

/** Redis stands still, then one process after the other, with the requests that they have under way. */
export async function standStillAgainAndAgain(world, { seconds }) {
  const endsAt = performance.now() + 1000 * seconds;
  const roundMs = 2 * WORKS_MS + REDIS_STANDS_STILL_MS + PROCESS_STANDS_STILL_MS;
  let rounds = 0;
  while (rounds === 0 || performance.now() + roundMs < endsAt) {
    await sleep(WORKS_MS);
    world.redis.pause();
    await sleep(REDIS_STANDS_STILL_MS);
    world.redis.resume();
    await sleep(WORKS_MS);
    const { program } = world.apps[rounds % world.apps.length];
    program.signal("SIGSTOP");
    await sleep(PROCESS_STANDS_STILL_MS);
    program.signal("SIGCONT");
    rounds += 1;
  }
  world.troubles = `Redis stood still for 7 s and then a process for 8 s, ${rounds} times`;
}
