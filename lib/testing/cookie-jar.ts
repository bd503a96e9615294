import { parseSetCookie } from "cookie";

/** The cookies of one site, by name. Paths, domains and future expiry are ignored. */
export type CookieJar = Map<string, string>;

/** A browser returns a value as it was set, so the value is not decoded. */
const keepEncoded = (text: string): string => text;

/** Saves the cookies of Set-Cookie lines in the jar, and removes those that the lines delete. */
export function storeCookies(jar: CookieJar, lines: readonly string[]): CookieJar {
  for (const line of lines) {
    const { name, value = "", maxAge = 1, expires } = parseSetCookie(line, { decode: keepEncoded });
    const isDeleted = value === "" || maxAge <= 0 || (expires !== undefined && expires.getTime() === 0);
    if (isDeleted) jar.delete(name);
    else jar.set(name, value);
  }
  return jar;
}

/** Formats cookies as a browser does in the Cookie header. */
export const formatCookieHeader = (jar: ReadonlyMap<string, string>): string =>
  [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
