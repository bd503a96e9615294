import { setTimeout as sleep } from "node:timers/promises";

const SILENCE_MS = 50;

/** Waits until a list has not grown for 50 ms, because some writes follow the response. */
export async function waitUntilSilent(list) {
  for (let length = -1; list.length !== length; await sleep(SILENCE_MS)) length = list.length;
}
