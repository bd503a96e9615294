import { setTimeout as sleep } from "node:timers/promises";

/** When it comes, as parts of the whole time. */
const KILL_AT = 0.4;
const PAUSE_AT = 0.7;
const PAUSE_MS = 1000;

/** One process is killed and replaced; later Redis stands still for a second. */
export async function trouble(world, { seconds }) {
  await sleep(KILL_AT * seconds * 1000);
  const restarted = world.killOne();
  restarted.catch(() => {}); // awaited below: until then it is no unhandled rejection
  await sleep((PAUSE_AT - KILL_AT) * seconds * 1000);
  await world.redis.pause();
  await sleep(PAUSE_MS);
  await world.redis.resume();
  await restarted;
}
