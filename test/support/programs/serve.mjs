import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { promisify } from "node:util";

const words = new EventEmitter();
process.on("message", ({ word, content }) => words.emit(word, content));
process.on("disconnect", () => process.exit()); // ends with the process of the test

/** Sends a message to the process that started this one, or waits for one. */
export const tell = (word, content) => process.send({ word, content });
export const hear = (word, listener) => words.on(word, listener);
export const told = async (word) => (await once(words, word))[0];

/**
 * Listens, reports the URL, and serves an app as soon as it gets the settings, which contain the URL. After
 * the test, the process can serve the app of another test if this one has finished its work.
 *
 * @param createApp returns the app, and a function that closes its connections
 */
export async function serve(createApp) {
  for (;;) {
    await serveOne(createApp);
    await told("again");
  }
}

async function serveOne(createApp) {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  tell("listening", `http://127.0.0.1:${server.address().port}`);
  const { app, close } = await createApp(await told("settings"));
  server.on("request", app);
  tell("ready");

  await told("rest");
  const closed = promisify(server.close).call(server); // resolves after the last request
  server.closeIdleConnections();
  await closed;
  await close();
  words.removeAllListeners();
  for (const output of [process.stdout, process.stderr]) output.write("[rests]\n");
}
