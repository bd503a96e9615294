import { type Html, html } from "./html.js";

const DATE_AND_TIME = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "long",
  timeStyle: "short",
  timeZone: "UTC",
});

/**
 * Renders a time, in milliseconds since 1970, in UTC. In the browser, times.js changes it to the local time.
 */
export const renderTime = (ms: number): Html =>
  html`<time datetime="${new Date(ms).toISOString()}">${DATE_AND_TIME.format(ms)} UTC</time>`;

const TIME_OF_DAY = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });

/** Returns only the time of day, as plain text. */
export const formatTimeOfDay = (ms: number): string => `${TIME_OF_DAY.format(ms)} UTC`;

/** Renders only the time of day. In the browser, times.js changes it to the local time. */
export const renderTimeOfDay = (ms: number): Html =>
  html`<time class="clock" datetime="${new Date(ms).toISOString()}">${formatTimeOfDay(ms)}</time>`;
