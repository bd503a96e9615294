import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { request as httpsRequest } from "node:https";
import { CookieJar } from "tough-cookie";

export interface Answer {
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as application/x-www-form-urlencoded. */
  form?: Record<string, string> | URLSearchParams;
  /**
   * Where the request comes from, as the browser tells it. Default "none", the address bar; for a login route
   * "same-origin", a link on a page of the site.
   */
  site?: "none" | "same-origin" | "same-site" | "cross-site";
  /** Whether a user clicked. A script or `<meta http-equiv=refresh>` may lead to a page without. Default true. */
  clicked?: boolean;
  /** A browser from before Fetch Metadata. */
  old?: boolean;
}

const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";
const MOST_REDIRECTS = 20;

/** A browser as far as logins need one: a strict cookie jar, Fetch Metadata, redirects, and a person who picks an account. */
export class Browser {
  /** Every answer, in order, of everybody. */
  readonly answers: Answer[] = [];
  readonly jar: CookieJar;
  /** What the person does on the portal's page. */
  person: Record<string, string> = { sub: "amara-okafor" };
  readonly #ca: string | undefined;
  readonly #agent = new HttpAgent({ keepAlive: false });

  constructor(ca?: string) {
    this.#ca = ca;
    this.jar = new CookieJar(undefined, { prefixSecurity: "strict", rejectPublicSuffixes: false });
  }

  /** Loads a page as a person does: follows redirects, and picks an account where the portal asks for one. */
  async visit(url: string | URL, ask: Ask = {}): Promise<Answer> {
    let answer = await this.navigate(url, ask);
    for (let steps = 0; steps < MOST_REDIRECTS; steps += 1) {
      const { location } = answer.headers;
      const site = sameOrigin(answer.url, url) ? (ask.site ?? "none") : "cross-site";
      if (location)
        answer = await this.navigate(new URL(location, answer.url), { ...headersOnly(ask), site });
      else if (isLoginPage(answer))
        answer = await this.navigate(answer.url, { method: "POST", form: this.person, site: "same-origin" });
      else return answer;
    }
    throw new Error(`too many redirects, the last to ${answer.url}`);
  }

  /** Loads a page and stops at the first redirect. */
  navigate(url: string | URL, ask: Ask = {}): Promise<Answer> {
    const { site = isLoginRoute(url) ? "same-origin" : "none", old = false, clicked = true } = ask;
    const page = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": site };
    const metadata = { ...page, ...(clicked && { "sec-fetch-user": "?1" }) };
    return this.request(url, { ...ask, headers: { accept: HTML, ...(!old && metadata), ...ask.headers } });
  }

  /** fetch() of a script on the app's own page. */
  fetch(url: string | URL, ask: Ask = {}): Promise<Answer> {
    const { site = "same-origin" } = ask;
    const headers = {
      accept: "*/*",
      "sec-fetch-mode": "cors",
      "sec-fetch-dest": "empty",
      "sec-fetch-site": site,
    };
    return this.request(url, { ...ask, headers: { ...headers, ...ask.headers } });
  }

  /** The login up to the callback's address, which is not visited: what a test does with it is its own affair. */
  async loginUntilCallback(url: string | URL, ask: Ask = {}): Promise<URL> {
    let answer = await this.navigate(url, ask);
    for (let steps = 0; steps < MOST_REDIRECTS; steps += 1) {
      if (isLoginPage(answer))
        answer = await this.navigate(answer.url, { method: "POST", form: this.person });
      const { location } = answer.headers;
      if (!location) throw new Error(`no way on from ${answer.url}: ${answer.status} ${answer.body}`);
      const next = new URL(location, answer.url);
      if (next.searchParams.has("state") && !next.searchParams.has("client_id")) return next;
      answer = await this.navigate(next);
    }
    throw new Error("never came to a callback");
  }

  /** The cookies for an address, by name. */
  async cookies(url: string | URL): Promise<Map<string, string>> {
    return new Map((await this.jar.getCookies(String(url))).map(({ key, value }) => [key, value]));
  }

  /** RFC 6265bis, section 5.8.3: what another site begins carries no Strict cookie, and Lax ones only where it navigates its page by GET. */
  async #cookiesFor(url: URL, method: string, headers: Record<string, string>): Promise<string> {
    const isPage = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document"; // and no frame in one
    const isSafeNavigation = isPage && (method === "GET" || method === "HEAD");
    const sameSiteContext =
      headers["sec-fetch-site"] !== "cross-site" ? "strict" : isSafeNavigation ? "lax" : "none";
    return this.jar.getCookieString(url.href, { sameSiteContext });
  }

  async request(to: string | URL, { method = "GET", headers = {}, form }: Ask = {}): Promise<Answer> {
    const url = new URL(to);
    url.hash = "";
    const cookie = await this.#cookiesFor(url, method, headers);
    const body = form && new URLSearchParams(form).toString();
    const sent = {
      ...(cookie && { cookie }),
      ...(body !== undefined && {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": String(Buffer.byteLength(body)),
      }),
      ...headers,
    };
    const answer = await new Promise<Answer>((resolve, reject) => {
      const secure = url.protocol === "https:";
      const request = (secure ? httpsRequest : httpRequest)(
        url,
        { method, headers: sent, ...(secure ? { ca: this.#ca, agent: false } : { agent: this.#agent }) },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk) => chunks.push(chunk));
          response.on("error", reject);
          response.on("end", () => {
            const { statusCode: status = 0, headers } = response;
            resolve({ url: url.href, status, headers, body: Buffer.concat(chunks).toString() });
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
    for (const line of answer.headers["set-cookie"] ?? [])
      await this.jar.setCookie(line, url.href, { ignoreError: true });
    this.answers.push(answer);
    return answer;
  }
}

const isLoginPage = ({ url, status }: Answer) => new URL(url).pathname === "/portal/login" && status === 200;

const isLoginRoute = (url: string | URL) => new URL(url).pathname.endsWith("/login");

const sameOrigin = (a: string | URL, b: string | URL) => new URL(a).origin === new URL(b).origin;

const headersOnly = ({ headers, old }: Ask): Ask => ({ ...(headers && { headers }), ...(old && { old }) });
