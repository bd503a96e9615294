import { type CookieJar, formatCookieHeader, storeCookies } from "./cookie-jar.js";
import { type ReceivedResponse, sendRequest } from "./send-request.js";

/** The result of TestProvider.signIn(). */
export interface SignInResult {
  /** The app's cookies, as the value of a Cookie header. */
  readonly cookie: string;
  /** The URL at which the redirects ended. */
  readonly location: string;
  /** The status of the response at that URL. */
  readonly status: number;
  /** The body of that response. The error page of a failed login names its code. */
  readonly body: string;
}

const MAX_REDIRECTS = 20;
const BROWSER_HEADERS = {
  accept: "text/html",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
};

/** Follows the redirects of a login, and selects the user on the provider's login page. */
export async function signIn(issuer: string, startUrl: string | URL, sub: string): Promise<SignInResult> {
  const browser = new MinimalBrowser();
  let url = new URL(startUrl);
  let form: URLSearchParams | undefined;
  for (let steps = 0; steps < MAX_REDIRECTS; steps += 1) {
    const { status, location, body } = await browser.request(url, form);
    const isLoginPage = location === undefined && url.origin === issuer && url.pathname === "/portal/login";
    const hasEnded = location === undefined && (!isLoginPage || form !== undefined);
    if (hasEnded) return { cookie: browser.cookieFor(new URL(startUrl)), location: url.href, status, body };
    form = isLoginPage ? new URLSearchParams({ sub }) : undefined;
    if (location !== undefined) url = new URL(location, url);
  }
  throw new Error(`signIn: over ${MAX_REDIRECTS} redirects, the last to ${url.origin}${url.pathname}`);
}

/** Loads pages, with a cookie jar for each origin. */
class MinimalBrowser {
  readonly #jars = new Map<string, CookieJar>();

  async request(url: URL, form: URLSearchParams | undefined): Promise<ReceivedResponse> {
    const headers = { ...BROWSER_HEADERS, cookie: this.cookieFor(url) };
    const response = await sendRequest(url, headers, form);
    storeCookies(this.#jarFor(url), response.cookies);
    return response;
  }

  cookieFor(url: URL): string {
    return formatCookieHeader(this.#jarFor(url));
  }

  #jarFor({ origin }: URL): CookieJar {
    const jar: CookieJar = this.#jars.get(origin) ?? new Map();
    this.#jars.set(origin, jar);
    return jar;
  }
}
