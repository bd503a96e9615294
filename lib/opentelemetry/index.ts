export { type InstrumentOptions, instrumentPortalAuth } from "./instrument-portal-auth.js";
