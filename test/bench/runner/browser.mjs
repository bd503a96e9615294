import { Agent, request } from "node:http";

const RESPONSE_TIMEOUT_MS = 10_000;

/** Creates an agent whose connections stay open, for all browsers of one launch. */
export const createAgent = () => new Agent({ keepAlive: true });

/** A minimal browser: it stores the cookies of each origin, and follows no redirects. */
export class Browser {
  #agent;
  #jars = new Map();

  constructor(agent) {
    this.#agent = agent;
  }

  /** Returns a new browser that has only the cookies of this origin. */
  copyFor(origin) {
    const browser = new Browser(this.#agent);
    browser.#jars.set(origin, new Map(this.#getJar(origin)));
    return browser;
  }

  getCookie(origin) {
    return [...this.#getJar(origin)].map((pair) => pair.join("=")).join("; ");
  }

  async get(url) {
    return this.#send("GET", new URL(url));
  }

  async post(url, form) {
    return this.#send("POST", new URL(url), String(new URLSearchParams(form)));
  }

  async #send(method, url, body) {
    const cookie = this.getCookie(url.origin);
    const headers = {};
    if (cookie) headers.cookie = cookie;
    if (body) headers["content-type"] = "application/x-www-form-urlencoded";
    const response = await send(this.#agent, url, { method, headers }, body);
    const jar = this.#getJar(url.origin);
    for (const line of response.headers["set-cookie"] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    const { location } = response.headers;
    return { ...response, url, location: location && new URL(location, url) };
  }

  #getJar(origin) {
    if (!this.#jars.has(origin)) this.#jars.set(origin, new Map());
    return this.#jars.get(origin);
  }
}

/** Sends one request and waits for the whole response. */
export function send(agent, url, options, body) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, agent, timeout: RESPONSE_TIMEOUT_MS }, (response) => {
      const { statusCode: status, headers } = response;
      let text = "";
      response.setEncoding("latin1").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status, headers, text }));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error(`no response from ${url}`)));
    sent.on("error", reject);
    sent.end(body);
  });
}
