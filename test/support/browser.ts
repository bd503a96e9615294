import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { CookieJar } from "tough-cookie";

export interface Answer {
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  /** The body, sent as application/x-www-form-urlencoded. */
  form?: Record<string, string> | URLSearchParams;
  /**
   * The value of Sec-Fetch-Site. Default "none", the address bar. Default for a login route: "same-origin", a
   * link on a page of the site.
   */
  site?: "none" | "same-origin" | "same-site" | "cross-site";
  /**
   * Whether the user clicked. Without a click, a script or `<meta http-equiv=refresh>` loads the page.
   * Default true.
   */
  clicked?: boolean;
  /** Whether the browser is too old for Fetch Metadata. */
  old?: boolean;
}

const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
const MOST_REDIRECTS = 20;

/**
 * Simulates the parts of a browser that logins need: a strict cookie jar, Fetch Metadata, redirects, and a
 * user who picks an account at the provider.
 */
export class Browser {
  /** All responses of all servers, in order. */
  readonly answers: Answer[] = [];
  readonly jar: CookieJar;
  /** The form that the user submits on the login page of the provider. */
  user: Record<string, string> = { sub: "amara-okafor" };
  readonly #ca: string | undefined;
  readonly #agent = new HttpAgent({ keepAlive: false });

  constructor(ca?: string) {
    this.#ca = ca;
    this.jar = new CookieJar(undefined, { prefixSecurity: "strict", rejectPublicSuffixes: false });
  }

  /**
   * Loads a page as a user does: follows redirects, and picks an account on the login page of the provider.
   */
  async visit(url: string | URL, ask: RequestOptions = {}): Promise<Answer> {
    let response = await this.navigate(url, ask);
    for (let steps = 0; steps < MOST_REDIRECTS; steps += 1) {
      const { location } = response.headers;
      const site = sameOrigin(response.url, url) ? (ask.site ?? "none") : "cross-site";
      if (location)
        response = await this.navigate(new URL(location, response.url), { ...headersOnly(ask), site });
      else if (isLoginPage(response))
        response = await this.navigate(response.url, {
          method: "POST",
          form: this.user,
          site: "same-origin",
        });
      else return response;
    }
    throw new Error(`too many redirects, the last to ${response.url}`);
  }

  /** Loads a page and stops at the first redirect. */
  navigate(url: string | URL, ask: RequestOptions = {}): Promise<Answer> {
    const { site = isLoginRoute(url) ? "same-origin" : "none", old = false, clicked = true } = ask;
    const page = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": site };
    const metadata = { ...page, ...(clicked && { "sec-fetch-user": "?1" }) };
    return this.request(url, { ...ask, headers: { accept: HTML, ...(!old && metadata), ...ask.headers } });
  }

  /** Sends a request like fetch() of a script on the app's own page. */
  fetch(url: string | URL, ask: RequestOptions = {}): Promise<Answer> {
    const { site = "same-origin" } = ask;
    const headers = {
      accept: "*/*",
      "sec-fetch-mode": "cors",
      "sec-fetch-dest": "empty",
      "sec-fetch-site": site,
    };
    return this.request(url, { ...ask, headers: { ...headers, ...ask.headers } });
  }

  /** Signs in up to the URL of the callback, which it returns without visiting it. */
  async loginUntilCallback(url: string | URL, ask: RequestOptions = {}): Promise<URL> {
    let response = await this.navigate(url, ask);
    for (let steps = 0; steps < MOST_REDIRECTS; steps += 1) {
      if (isLoginPage(response))
        response = await this.navigate(response.url, { method: "POST", form: this.user });
      const { location } = response.headers;
      if (!location)
        throw new Error(
          `no redirect and no login page at ${response.url}: ${response.status} ${response.body}`,
        );
      const next = new URL(location, response.url);
      if (next.searchParams.has("state") && !next.searchParams.has("client_id")) return next;
      response = await this.navigate(next);
    }
    throw new Error("too many redirects before the callback");
  }

  /** Returns the cookies for a URL, by name. */
  async cookies(url: string | URL): Promise<Map<string, string>> {
    return new Map((await this.jar.getCookies(String(url))).map(({ key, value }) => [key, value]));
  }

  /**
   * Returns the cookies of a request. A cross-site request carries no Strict cookies, and Lax cookies only if
   * it navigates to a page with GET (RFC 6265bis, section 5.8.3).
   */
  async #cookiesFor(url: URL, method: string, headers: Record<string, string>): Promise<string> {
    // A navigation of a frame has another destination.
    const isPage = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    const isSafeNavigation = isPage && (method === "GET" || method === "HEAD");
    const sameSiteContext =
      headers["sec-fetch-site"] !== "cross-site" ? "strict" : isSafeNavigation ? "lax" : "none";
    return this.jar.getCookieString(url.href, { sameSiteContext });
  }

  async request(
    to: string | URL,
    { method = "GET", headers = {}, form }: RequestOptions = {},
  ): Promise<Answer> {
    const url = new URL(to);
    url.hash = "";
    const cookie = await this.#cookiesFor(url, method, headers);
    const body = form && new URLSearchParams(form).toString();
    const sent: Record<string, string> = {};
    if (cookie) sent["cookie"] = cookie;
    if (body !== undefined) {
      sent["content-type"] = "application/x-www-form-urlencoded";
      sent["content-length"] = String(Buffer.byteLength(body));
    }
    Object.assign(sent, headers);
    const response = await new Promise<Answer>((resolve, reject) => {
      const secure = url.protocol === "https:";
      const request = (secure ? httpsRequest : httpRequest)(
        url,
        { method, headers: sent, ...(secure ? { ca: this.#ca, agent: false } : { agent: this.#agent }) },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            const { statusCode: status = 0, headers } = incoming;
            resolve({ url: url.href, status, headers, body: Buffer.concat(chunks).toString() });
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
    for (const line of response.headers["set-cookie"] ?? [])
      await this.jar.setCookie(line, url.href, { ignoreError: true });
    this.answers.push(response);
    return response;
  }
}

const isLoginPage = ({ url, status }: Answer) => new URL(url).pathname === "/portal/login" && status === 200;

const isLoginRoute = (url: string | URL) => new URL(url).pathname.endsWith("/login");

const sameOrigin = (a: string | URL, b: string | URL) => new URL(a).origin === new URL(b).origin;

/** Returns the options of a request that also apply to the redirects that follow. */
const headersOnly = ({ headers = {}, old = false }: RequestOptions): RequestOptions => ({ headers, old });
