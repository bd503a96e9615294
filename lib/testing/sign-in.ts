import { type CookieJar, formatCookieHeader, storeCookies } from "./cookie-jar.js";
import { sendRequest } from "./send-request.js";

/** What came of a login. */
export interface SignInResult {
  /** The app's cookies, as a header: `Cookie: …`. */
  readonly cookie: string;
  /** Where the app led in the end. */
  readonly location: string;
  /** How it answered there. */
  readonly status: number;
  /** What stood there: a failure of ours names its code. */
  readonly body: string;
}

const MAX_REDIRECTS = 20;
const BROWSER_HEADERS = {
  accept: "text/html",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

/** Follows a login through app and portal, with a cookie jar for each. */
export async function signIn(issuer: string, address: string | URL, sub: string): Promise<SignInResult> {
  const jars = new Map<string, CookieJar>();
  let url = new URL(address);
  let form: URLSearchParams | undefined;
  for (let steps = 0; steps < MAX_REDIRECTS; steps += 1) {
    const jar = jars.get(url.origin) ?? new Map();
    jars.set(url.origin, jar);
    const { status, location, cookies, body } = await sendRequest(
      url,
      { ...BROWSER_HEADERS, cookie: formatCookieHeader(jar) },
      form,
    );
    storeCookies(jar, cookies);
    const isLoginPage = location === undefined && url.origin === issuer && url.pathname === "/portal/login";
    if (location === undefined && (!isLoginPage || form)) {
      const cookie = formatCookieHeader(jars.get(new URL(address).origin) ?? new Map());
      return { cookie, location: url.href, status, body };
    }
    form = isLoginPage ? new URLSearchParams({ sub }) : undefined;
    if (location !== undefined) url = new URL(location, url);
  }
  throw new Error(`signIn: over ${MAX_REDIRECTS} redirects, the last to ${url.origin}${url.pathname}`);
}
