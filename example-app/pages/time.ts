import { type Html, html } from "./html.js";

const UTC = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });

/** A moment, in milliseconds since 1970. In UTC as sent; times.js turns it into the reader's own time. */
export const time = (ms: number): Html =>
  html`<time datetime="${new Date(ms).toISOString()}">${UTC.format(ms)} UTC</time>`;

const UTC_CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "UTC" });

/** The time of day alone, as plain text. */
export const clock = (ms: number): string => `${UTC_CLOCK.format(ms)} UTC`;

/** The time of day alone, for times.js likewise. */
export const clockTime = (ms: number): Html =>
  html`<time class="clock" datetime="${new Date(ms).toISOString()}">${clock(ms)}</time>`;
