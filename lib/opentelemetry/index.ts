export { type InstrumentOptions, instrumentPortalAuth } from "./instrument.js";
