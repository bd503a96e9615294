import { expect, test } from "vitest";
import { createGate } from "./gate.js";
import { startWorld } from "./world.js";

const MEMORY = expect.stringContaining("memory of this process");

test("a background revocation without a response does not fail its test", async () => {
  const onLogin = () => Promise.reject(new Error("no login"));
  const { browser, url, provider } = await startWorld({
    options: { hooks: { onLogin } },
    log: [/hook_failed/],
  });
  const isRevoking = createGate();
  provider.answerNext("/oauth2/revoke", () => isRevoking.open());
  await browser.visit(`${url}/account`);
  await isRevoking.opened;
});

test("and it adds no line to the log of the next test", async () => {
  const { browser, url, log } = await startWorld();
  await browser.visit(`${url}/account`);
  expect(log).toEqual([MEMORY]);
});
