import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { watchRequests } from "./in-flight.js";
import { serve } from "./serve.js";

async function startWatch(delayMs: number) {
  const url = await serve((_req, res) => void setTimeout(delayMs).then(() => res.end("ok")));
  const watch = watchRequests(url);
  onTestFinished(watch.stop);
  return { url, untilIdle: () => watch.untilIdle() };
}

test("untilIdle waits for each of several requests that follow one another", async () => {
  const { url, untilIdle } = await startWatch(20);
  let count = 0;
  const sendThree = async () => {
    for (; count < 3; count += 1) await (await fetch(url)).text();
  };
  const sending = sendThree();
  await untilIdle();
  expect(count).toBe(3);
  await sending;
});

test("untilIdle waits at most one second for a request without a response", async () => {
  const { url, untilIdle } = await startWatch(60_000);
  fetch(url).catch(() => {}); // The connection is closed when the test ends.
  const startedAt = performance.now();
  await untilIdle();
  expect(performance.now() - startedAt).toBeGreaterThan(900);
});

test("untilIdle does not wait for requests to other origins", async () => {
  const { untilIdle } = await startWatch(0);
  const other = await serve(() => {});
  fetch(other).catch(() => {});
  const startedAt = performance.now();
  await untilIdle();
  expect(performance.now() - startedAt).toBeLessThan(900);
});
