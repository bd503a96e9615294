import { once } from "node:events";
import { createServer } from "node:net";

// The ports are below the range from which systems assign ports (Linux from 32768, others from 49152). In
// that range, a free port, or the port of a killed server, may become the local port of any connection.
const FIRST = 20_000;
const LAST = 32_767;
const TRIES = 20;

/** Returns a free port that systems never assign by themselves. */
export async function freePort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
}

/** Calls `start` with a free port, and again with another port if that one is in use meanwhile. */
export async function onFreePort(start) {
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    try {
      return await start(port);
    } catch (error) {
      if (tries === TRIES || !/address already in use/i.test(error.message)) throw error;
    }
  }
}

async function isFree(port) {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}
