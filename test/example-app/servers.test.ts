import { get } from "node:http";
import { expect, test } from "vitest";
import { listen } from "../../example-app/servers.js";
import { freePort } from "../support/servers/free-port.mjs";

test("a server that closes finishes running requests and rejects new ones", async () => {
  const port = await freePort();
  let reportArrival = () => {};
  const arrival = new Promise<void>((resolve) => {
    reportArrival = resolve;
  });
  const app = await listen(port, (_req, res) => {
    reportArrival();
    setTimeout(() => res.end("done"), 200);
  });
  const response = fetch(`http://127.0.0.1:${port}`);
  await arrival;
  const closed = app.close();
  await expect(fetch(`http://127.0.0.1:${port}/new`)).rejects.toThrow();
  expect(await (await response).text()).toBe("done");
  const respondedAt = Date.now();
  await closed;
  // Close() does not wait for the idle connection of fetch.
  expect(Date.now() - respondedAt).toBeLessThan(1500);
});

test("a request that does not end is aborted after a timeout", async () => {
  const port = await freePort();
  const app = await listen(port, () => {});
  const errorCode = new Promise<string | undefined>((resolve) => {
    get(`http://127.0.0.1:${port}`).once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await app.close();
  expect(await errorCode).toBe("ECONNRESET");
});
