import { EVENT_NAMES } from "../../../dist/events.js";
import * as library from "../../../dist/index.js";
import { inspector } from "../../../dist/inspector/index.js";
import { listen } from "../../../dist/listen.js";
import { createHost } from "./attacked-app.mjs";

// The process of ./host.ts, with the package as it is built. It asks, this one answers.

let ahead = 0;
const { now } = Date;
Date.now = () => now() + ahead;

const host = {
  ...createHost({ ...library, EVENT_NAMES, inspector, listen }),
  later(seconds) {
    ahead += seconds * 1000;
  },
};

process.on("disconnect", () => process.exit()); // nothing outlives the test, however that ends
process.on("message", async ({ id, word, content }) => {
  try {
    process.send({ id, result: await host[word](content) });
  } catch (error) {
    process.send({ id, failed: String(error?.message ?? error) });
  }
});
process.send({ id: 0 });
