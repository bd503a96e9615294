import { get } from "node:http";
import { expect, test } from "vitest";
import { listen } from "../../example-app/servers.js";
import { freePort } from "../support/servers/free-port.mjs";

test("a server that is closed answers what is under way, and nothing new", async () => {
  const port = await freePort();
  let arrived = () => {};
  const isThere = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const app = await listen(port, (_req, res) => {
    arrived();
    setTimeout(() => res.end("done"), 200);
  });
  const answer = fetch(`http://127.0.0.1:${port}`);
  await isThere;
  const closed = app.close();
  await expect(fetch(`http://127.0.0.1:${port}/new`)).rejects.toThrow();
  expect(await (await answer).text()).toBe("done");
  const answeredAt = Date.now();
  await closed;
  expect(Date.now() - answeredAt).toBeLessThan(1500); // the connection that fetch keeps for later is not waited for
});

test("a request that does not end is cut after a while", async () => {
  const port = await freePort();
  const app = await listen(port, () => {});
  const cut = new Promise<string | undefined>((resolve) => {
    get(`http://127.0.0.1:${port}`).once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  await app.close();
  expect(await cut).toBe("ECONNRESET");
});
