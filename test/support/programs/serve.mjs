import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";

const words = new EventEmitter();
process.on("message", ({ word, content }) => words.emit(word, content));
process.on("disconnect", () => process.exit()); // nothing outlives the test, however that ends

/** A word to the process that started this one, and one from it. */
export const tell = (word, content) => process.send({ word, content });
export const hear = (word, listener) => words.on(word, listener);
export const told = async (word) => (await once(words, word))[0];

/** Where this process listens must be known before there can be settings: they name the address that the portal knows. */
export async function serve(createApp) {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  tell("listening", `http://127.0.0.1:${server.address().port}`);
  const app = await createApp(await told("settings"));
  server.on("request", app);
  tell("ready");
}
