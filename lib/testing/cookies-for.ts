import { parseCookie } from "cookie";

/** A cookie in the form that Playwright's `context.addCookies()` accepts. */
export interface TestCookie {
  /** Its name. */
  readonly name: string;
  /** Its value, still encoded. */
  readonly value: string;
  /** The origin of the app. */
  readonly url: string;
}

/**
 * Converts a cookie header of loginAs() to cookies for Playwright's `context.addCookies()`.
 *
 * @param url any URL of the app, with the origin that the browser will open
 */
export function cookiesFor(header: string, url: string | URL): TestCookie[] {
  const { origin } = new URL(url);
  // The browser must send each value as it was set, so values are not decoded.
  const pairs = Object.entries(parseCookie(header, { decode: (text) => text }));
  return pairs.map(([name, value = ""]) => ({ name, value, url: origin }));
}
