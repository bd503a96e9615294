import { expect, test } from "vitest";
import { captureLog } from "./captured-log.js";
import { createGate } from "./gate.js";

const nextTest = createGate();
let lateWork: Promise<void> = Promise.resolve();

test("captures the lines of the console", () => {
  const { lines, capture } = captureLog();
  console.warn("a", 1);
  capture(() => console.error("b"));
  expect(lines).toEqual(["a 1", "b"]);
});

test("background work may go on after its test", () => {
  lateWork = captureLog().capture(async () => {
    await nextTest.opened;
    console.error("late");
  });
});

test("background work of an earlier test does not write into the log of the next test", async () => {
  const { lines } = captureLog();
  nextTest.open();
  await lateWork;
  expect(lines).toEqual([]);
});
