import { EVENT_NAMES } from "../../../dist/events/event-emitter.js";
import { subscribeToEvents } from "../../../dist/events/subscribe-to-events.js";
import * as library from "../../../dist/index.js";
import { inspector } from "../../../dist/inspector/index.js";
import { createHost } from "./attacked-app.mjs";

// The process of ./host.ts, with the built package. It executes the commands that host.ts sends.

let aheadMs = 0;
const { now } = Date;
Date.now = () => now() + aheadMs;

const host = {
  ...createHost({ ...library, EVENT_NAMES, inspector, subscribeToEvents }),
  advanceClock(seconds) {
    aheadMs += seconds * 1000;
  },
};

process.on("disconnect", () => process.exit()); // the process ends with the test, even if the test crashes
process.on("message", async ({ id, method, argument }) => {
  try {
    process.send({ id, result: await host[method](argument) });
  } catch (error) {
    process.send({ id, failed: String(error?.message ?? error) });
  }
});
process.send({ id: 0 });
