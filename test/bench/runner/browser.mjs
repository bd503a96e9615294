import { Agent, request } from "node:http";

const ANSWER_MS = 10_000;

/** Connections that stay open, for all browsers of one launch. */
export const connections = () => new Agent({ keepAlive: true });

/** As little of a browser as logins need: a jar for each origin. */
export class Browser {
  #agent;
  #jars = new Map();

  constructor(agent) {
    this.#agent = agent;
  }

  /** A browser without a history, except that the person is logged in at this origin. */
  fresh(origin) {
    const browser = new Browser(this.#agent);
    browser.#jars.set(origin, new Map(this.#jar(origin)));
    return browser;
  }

  cookie(origin) {
    return [...this.#jar(origin)].map((pair) => pair.join("=")).join("; ");
  }

  async get(url) {
    return this.#send("GET", new URL(url));
  }

  async post(url, form) {
    return this.#send("POST", new URL(url), String(new URLSearchParams(form)));
  }

  async #send(method, url, body) {
    const cookie = this.cookie(url.origin);
    const headers = {
      ...(cookie && { cookie }),
      ...(body && { "content-type": "application/x-www-form-urlencoded" }),
    };
    const answer = await send(this.#agent, url, { method, headers }, body);
    const jar = this.#jar(url.origin);
    for (const line of answer.headers["set-cookie"] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      if (value) jar.set(name, value);
      else jar.delete(name);
    }
    const { location } = answer.headers;
    return { ...answer, url, location: location && new URL(location, url) };
  }

  #jar(origin) {
    if (!this.#jars.has(origin)) this.#jars.set(origin, new Map());
    return this.#jars.get(origin);
  }
}

/** One request and its whole answer. */
export function send(agent, url, options, body) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ...options, agent, timeout: ANSWER_MS }, (response) => {
      const { statusCode: status, headers } = response;
      let text = "";
      response.setEncoding("latin1").on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status, headers, text }));
      response.on("error", reject);
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer from ${url}`)));
    sent.on("error", reject);
    sent.end(body);
  });
}
