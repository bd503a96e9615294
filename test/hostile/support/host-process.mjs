import { EVENT_NAMES } from "../../../dist/events/event-emitter.js";
import { subscribeToEvents } from "../../../dist/events/subscribe-to-events.js";
import * as library from "../../../dist/index.js";
import { inspector } from "../../../dist/inspector/index.js";
import { createHost } from "./attacked-app.mjs";

// The process of ./host.ts, with the built package. It executes the commands that host.ts sends.

let ahead = 0;
const { now } = Date;
Date.now = () => now() + ahead;

const host = {
  ...createHost({ ...library, EVENT_NAMES, inspector, subscribeToEvents }),
  later(seconds) {
    ahead += seconds * 1000;
  },
};

process.on("disconnect", () => process.exit()); // nothing outlives the test, however it ends
process.on("message", async ({ id, word, content }) => {
  try {
    process.send({ id, result: await host[word](content) });
  } catch (error) {
    process.send({ id, failed: String(error?.message ?? error) });
  }
});
process.send({ id: 0 });
