import { parseSetCookie } from "cookie";

/** The cookies of one site, by name: as many as a test's program needs to know of them. */
export type CookieJar = Map<string, string>;

const keepEncoded = (text: string): string => text; // what is sent back is what was set: undecoded

/** Keeps what an answer sets, and forgets what it takes back. */
export function storeCookies(jar: CookieJar, lines: readonly string[]): CookieJar {
  for (const line of lines) {
    const { name, value = "", maxAge = 1, expires } = parseSetCookie(line, { decode: keepEncoded });
    const isTakenBack = value === "" || maxAge <= 0 || (expires !== undefined && expires.getTime() === 0);
    if (isTakenBack) jar.delete(name);
    else jar.set(name, value);
  }
  return jar;
}

/** As a browser sends them. */
export const formatCookieHeader = (jar: ReadonlyMap<string, string>): string =>
  [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
