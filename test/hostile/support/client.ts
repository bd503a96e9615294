import { connect } from "node:net";
import { type Answer, Browser, type RequestOptions } from "../../support/browser.js";

/** The time limit for a response. No case needs as much, even on a slow machine. */
const TIMEOUT_MS = 8000;

/** A browser that gives up after a timeout. */
export class Client extends Browser {
  override async request(to: string | URL, ask: RequestOptions = {}): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no response in ${TIMEOUT_MS / 1000} s from ${to}`)),
        TIMEOUT_MS,
      );
    });
    try {
      return await Promise.race([super.request(to, ask), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * Sends raw bytes on a connection of their own, as no well-behaved client would. The response is added to
 * those of the client.
 */
export async function sendRaw(client: Browser, url: string, text: string): Promise<Answer> {
  const [head = "", ...body] = (await exchange(url, text)).split("\r\n\r\n");
  const [statusLine = "", ...headerLines] = head.split("\r\n");
  const headers = headerLines
    .map((line) => line.split(/: (.*)/))
    .map(([name = "", value]) => [name.toLowerCase(), value]);
  const cookies = headers.filter(([name]) => name === "set-cookie").map(([, value = ""]) => value);
  const answer = {
    url,
    status: Number(statusLine.split(" ")[1]),
    headers: { ...Object.fromEntries(headers), ...(cookies.length > 0 && { "set-cookie": cookies }) },
    body: body.join("\r\n\r\n"),
  };
  for (const cookie of cookies) await client.jar.setCookie(cookie, url, { ignoreError: true });
  client.answers.push(answer);
  return answer;
}

function exchange(url: string, text: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname, () => socket.write(text, "latin1"));
    let received = "";
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error(`no response in ${TIMEOUT_MS / 1000} s`)));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
}

/** Formats a request of HTTP/1.1 that closes its connection. */
export const rawRequest = (requestLine: string, headers: readonly string[] = [], body = ""): string =>
  [requestLine, "Host: app.example", "Connection: close", ...headers, "", body].join("\r\n");

/**
 * Submits the page by which a provider posts its response (OAuth 2.0 Form Post Response Mode), as the script
 * of that page would.
 */
export async function submitForm(client: Browser, { body }: Answer): Promise<Answer> {
  const decode = (text: string) =>
    text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
  const [, action = ""] = /<form method="post" action="([^"]*)"/.exec(body) ?? [];
  const inputs = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  const form = new URLSearchParams(
    inputs.map(([, name = "", value = ""]): [string, string] => [name, decode(value)]),
  );
  return client.visit(decode(action), { method: "POST", site: "cross-site", form });
}
