import { once } from "node:events";
import { createServer } from "node:http";

/**
 * Serves one application in this process, which the runner has forked. Sends the origin to the runner and
 * receives the settings. Then it replies to each message with its CPU time and its number of requests.
 */
export async function serve(createApp) {
  const server = createServer();
  server.keepAliveTimeout = 0; // connections stay open between rounds
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const settings = await requestFromRunner({ origin });

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

/** Sends a message to the runner and waits for its reply. */
export async function requestFromRunner(message) {
  const reply = once(process, "message");
  process.send(message);
  return (await reply)[0];
}

process.on("disconnect", () => process.exit()); // the program ends with the runner
process.on("SIGINT", () => {}); // Ctrl-C reaches this process, too, but the runner stops it
