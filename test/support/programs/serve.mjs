import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import { promisify } from "node:util";

const words = new EventEmitter();
process.on("message", ({ word, content }) => words.emit(word, content));
process.on("disconnect", () => process.exit()); // nothing outlives the test, however that ends

/** A word to the process that started this one, and one from it. */
export const tell = (word, content) => process.send({ word, content });
export const hear = (word, listener) => words.on(word, listener);
export const told = async (word) => (await once(words, word))[0];

/**
 * Where this process listens must be known before there can be settings: they name the address that the portal knows.
 * When the test has ended the process may serve another one's app, if nothing of this one is left in it.
 *
 * @param createApp gives the app, and a function that ends what it has opened
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
  const closed = promisify(server.close).call(server); // with the last request
  server.closeIdleConnections();
  await closed;
  await close();
  words.removeAllListeners();
  for (const output of [process.stdout, process.stderr]) output.write("[rests]\n");
}
