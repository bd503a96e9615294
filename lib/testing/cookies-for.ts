import { parseCookie } from "cookie";

/** A cookie as Playwright's `context.addCookies()` takes it. */
export interface TestCookie {
  /** Its name. */
  readonly name: string;
  /** Its value, as it was set. */
  readonly value: string;
  /** The origin that it is for. */
  readonly url: string;
}

/**
 * The cookies of a header that loginAs() gave, for Playwright's `context.addCookies()`.
 *
 * @param url the app's address, as the browser will open it
 */
export function cookiesFor(header: string, url: string | URL): TestCookie[] {
  // what the browser sends is what it was given: undecoded
  const pairs = Object.entries(parseCookie(header, { decode: (text) => text }));
  return pairs.map(([name, value = ""]) => ({ name, value, url: new URL(url).origin }));
}
