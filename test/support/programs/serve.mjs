import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { promisify } from "node:util";

const messages = new EventEmitter();
process.on("message", ({ name, content }) => messages.emit(name, content));
process.on("disconnect", () => process.exit()); // ends with the process of the test

/** Sends a message to the process of the test. */
export const sendMessage = (name, content) => process.send({ name, content });

/** Calls the listener for each message with this name. */
export const onMessage = (name, listener) => messages.on(name, listener);

/** Waits for a message with this name, and returns its content. */
export const waitForMessage = async (name) => (await once(messages, name))[0];

/**
 * Listens, reports the URL, and serves an app as soon as it gets the settings, which contain the URL. After
 * the test, the process can serve the app of another test if this one has finished its work.
 *
 * @param createApp returns the app, and a function that closes its connections
 */
export async function serve(createApp) {
  for (;;) {
    await serveOne(createApp);
    await waitForMessage("again");
  }
}

async function serveOne(createApp) {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  sendMessage("listening", `http://127.0.0.1:${server.address().port}`);
  const { app, close } = await createApp(await waitForMessage("settings"));
  server.on("request", app);
  sendMessage("ready");

  await waitForMessage("clean up");
  const closed = promisify(server.close).call(server); // resolves after the last request
  server.closeIdleConnections();
  await closed;
  await close();
  messages.removeAllListeners();
  for (const output of [process.stdout, process.stderr]) output.write("[cleaned up]\n");
}
