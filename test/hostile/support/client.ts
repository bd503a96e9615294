import { connect } from "node:net";
import { type Answer, type Ask, Browser } from "../../support/browser.js";

/**
 * The time limit for a response. A request that takes longer hangs: no case needs as much on a slow machine.
 */
const DEADLINE_MS = 8000;

/** A browser that gives up after a deadline. */
export class Client extends Browser {
  override async request(to: string | URL, ask: Ask = {}): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`no response in ${DEADLINE_MS / 1000} s from ${to}`)),
        DEADLINE_MS,
      );
    });
    try {
      return await Promise.race([super.request(to, ask), late]);
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
  const [line = "", ...lines] = head.split("\r\n");
  const pairs = lines
    .map((each) => each.split(/: (.*)/))
    .map(([name = "", value]) => [name.toLowerCase(), value]);
  const cookies = pairs.filter(([name]) => name === "set-cookie").map(([, value = ""]) => value);
  const answer = {
    url,
    status: Number(line.split(" ")[1]),
    headers: { ...Object.fromEntries(pairs), ...(cookies.length > 0 && { "set-cookie": cookies }) },
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
    socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error(`no response in ${DEADLINE_MS / 1000} s`)));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(received));
  });
}

/** Formats a request of HTTP/1.1 that closes its connection. */
export const rawRequest = (line: string, headers: readonly string[] = [], body = ""): string =>
  [line, "Host: app.example", "Connection: close", ...headers, "", body].join("\r\n");

/**
 * Submits the page by which a provider posts its response (OAuth 2.0 Form Post Response Mode), as the script
 * of that page would.
 */
export async function submitForm(client: Browser, { body }: Answer): Promise<Answer> {
  const read = (text: string) =>
    text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
  const [, action = ""] = /<form method="post" action="([^"]*)"/.exec(body) ?? [];
  const inputs = [...body.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)];
  const form = new URLSearchParams(
    inputs.map(([, name = "", value = ""]): [string, string] => [name, read(value)]),
  );
  return client.visit(read(action), { method: "POST", site: "cross-site", form });
}
