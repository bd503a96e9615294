import { expect, test, vi } from "vitest";
import { createGate } from "./gate.js";
import { serve } from "./serve.js";
import { startWorld } from "./world.js";

const isRevoking = createGate();
const nextTest = createGate();

/** A revocation endpoint that fails during the next test. */
const revocationUrl = await serve(async (_req, res) => {
  isRevoking.open();
  await nextTest.opened;
  res.writeHead(500).end();
});

let earlierLog: string[] = [];

test("a test may end before a revocation in the background", async () => {
  const onLogin = () => Promise.reject(new Error("no login"));
  const options = { revocationUrl, hooks: { onLogin } };
  const { browser, url, log } = await startWorld({ options, log: [/hook_failed/] });
  earlierLog = log;
  await browser.visit(`${url}/account`);
  await isRevoking.opened;
});

test("the failure of that revocation is not in the log of the next test", async () => {
  const { browser, url, log } = await startWorld();
  nextTest.open();
  await vi.waitFor(() => expect(earlierLog.at(-1)).toContain("revocation_failed"));
  await browser.visit(`${url}/account`);
  expect(log).toEqual([expect.stringContaining("memory of this process")]);
});
