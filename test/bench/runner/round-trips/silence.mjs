import { setTimeout as sleep } from "node:timers/promises";

const SILENCE_MS = 50;

/** Waits until a list has not grown for a while: some writes follow the response. */
export async function untilSilent(list) {
  for (let length = -1; list.length !== length; await sleep(SILENCE_MS)) length = list.length;
}
