import { ask } from "./ask.js";

/** What came of a login. */
export interface SignedIn {
  /** The app's cookies, as a header: `Cookie: …`. */
  readonly cookie: string;
  /** Where the app led in the end. */
  readonly location: string;
  /** How it answered there. */
  readonly status: number;
}

const MOST_REDIRECTS = 20;
const AS_A_BROWSER = {
  accept: "text/html",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

/** Follows a login through app and portal, with a cookie jar for each. */
export async function signIn(issuer: string, address: string | URL, sub: string): Promise<SignedIn> {
  const jars = new Map<string, Map<string, string>>();
  let url = new URL(address);
  let form: URLSearchParams | undefined;
  for (let steps = 0; steps < MOST_REDIRECTS; steps += 1) {
    const jar = jars.get(url.origin) ?? new Map<string, string>();
    jars.set(url.origin, jar);
    const { status, location, cookies } = await ask(url, { ...AS_A_BROWSER, cookie: headerOf(jar) }, form);
    keep(jar, cookies);
    const isLoginPage = location === undefined && url.origin === issuer && url.pathname === "/portal/login";
    if (location === undefined && (!isLoginPage || form)) return signedIn(jars, new URL(address), url, status);
    form = isLoginPage ? new URLSearchParams({ sub }) : undefined;
    if (location !== undefined) url = new URL(location, url);
  }
  throw new Error(`signIn: over ${MOST_REDIRECTS} redirects, the last to ${url.origin}${url.pathname}`);
}

const signedIn = (jars: ReadonlyMap<string, Map<string, string>>, app: URL, url: URL, status: number): SignedIn => ({
  cookie: headerOf(jars.get(app.origin) ?? new Map()),
  location: url.href,
  status,
});

const headerOf = (jar: ReadonlyMap<string, string>): string =>
  [...jar].map(([name, value]) => `${name}=${value}`).join("; ");

function keep(jar: Map<string, string>, lines: readonly string[]): void {
  for (const line of lines) {
    const [pair = ""] = line.split(";");
    const [name = "", value = ""] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    if (value === "") jar.delete(name);
    else jar.set(name, value);
  }
}
