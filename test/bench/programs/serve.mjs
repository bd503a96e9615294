import { once } from "node:events";
import { createServer } from "node:http";

/**
 * Runs one app in this process, for the runner that forked it: tells where it listens, is told the settings, and from
 * then on answers each message with what it has spent and how many requests it got.
 */
export async function serve(createApp) {
  const server = createServer();
  server.keepAliveTimeout = 0; // connections last from round to round
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const settings = await tell({ origin });

  let requests = 0;
  server.on("request", () => {
    requests += 1;
  });
  server.on("request", await createApp({ redirectUri: `${origin}/callback`, ...settings }));
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send({ cpuMicroseconds: user + system, requests });
  });
  process.send({ ready: true });
}

/** Sends a message to the runner and waits for what it has to say. */
export async function tell(message) {
  const answer = once(process, "message");
  process.send(message);
  return (await answer)[0];
}

process.on("disconnect", () => process.exit()); // nothing outlives the runner, however that ends
process.on("SIGINT", () => {}); // Ctrl-C reaches us as well: the runner sees to it
