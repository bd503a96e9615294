import { once } from "node:events";
import { createServer } from "node:net";

// Below the range from which systems choose ports by themselves (Linux from 32768, others from 49152): there a port that
// is free now, or that a killed server will want again, may become the near end of anybody's connection.
const [FIRST, LAST] = [20_000, 32_767];
const TRIES = 20;

/** A port that is free, and that no system gives to anybody by itself. */
export async function freePort() {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST + 1));
    if (await isFree(port)) return port;
  }
}

/** Calls `start` with a free port, and with another one if somebody took it in the meantime. */
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
