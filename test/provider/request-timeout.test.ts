import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, onTestFinished, test } from "vitest";
import { createRequestTimeout } from "../../lib/provider/request-timeout.js";

/** A server in another thread, which reports in shared memory that its response is sent. */
const SERVER = `
  const { createServer } = require("node:http");
  const { parentPort, workerData } = require("node:worker_threads");
  const server = createServer((req, res) => {
    if (req.url === "/never") return;
    Atomics.wait(workerData, 1, 0); // until the other thread is about to block
    res.end("the response", () => {
      Atomics.store(workerData, 0, 1);
      Atomics.notify(workerData, 0);
    });
  });
  server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));
`;

async function startServer() {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(SERVER, { eval: true, workerData: shared });
  onTestFinished(() => worker.terminate().then(() => {}));
  const [port] = await once(worker, "message");
  return { url: `http://127.0.0.1:${port}`, shared };
}

const TIMEOUT_MS = 1000;

test.each([
  ["a little longer than", 5],
  ["much longer than", 700],
])(
  "reads a response that has arrived while the process stood still for %s the timeout",
  async (_how, lateMs) => {
    const { url, shared } = await startServer();
    await fetch(`${url}/never`, { signal: AbortSignal.timeout(100) }).catch(() => {}); // loads fetch
    const dueAt = performance.now() + TIMEOUT_MS;
    const response = fetch(url, { signal: createRequestTimeout(TIMEOUT_MS) });
    // The request is sent by then. After setImmediate, timers run before sockets are read.
    await new Promise((done) => setTimeout(() => setImmediate(done), TIMEOUT_MS / 2));
    Atomics.store(shared, 1, 1);
    Atomics.notify(shared, 1);
    Atomics.wait(shared, 0, 0); // blocks this thread until the response is sent
    while (performance.now() < dueAt + lateMs);
    expect(await (await response).text()).toBe("the response");
  },
);

test("aborts a request without a response at the timeout, with a TimeoutError", async () => {
  const { url } = await startServer();
  const startedAt = performance.now();
  await expect(fetch(`${url}/never`, { signal: createRequestTimeout(200) })).rejects.toMatchObject({
    name: "TimeoutError",
  });
  expect(performance.now() - startedAt).toBeGreaterThan(190);
});
