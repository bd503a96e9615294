import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type {
  LocalProvider,
  Responder,
  TokenResponseWriter,
} from "../../../lib/testing/provider/local-provider.js";
import { CANARY } from "./attack.js";

// Faulty responses for `portal.answerNext`. Each contains the canary where it can.

export const sendJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Responder =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

export const sendText =
  (status: number, body: string, headers: Record<string, string> = {}): Responder =>
  (_req, res) =>
    void res.writeHead(status, headers).end(body);

const PAGE = `<!doctype html><title>${CANARY}</title><script>alert("${CANARY}")</script>`;
export const html = (status: number): Responder =>
  sendText(status, PAGE, { "content-type": "text/html; charset=utf-8" });

/** Sends nothing, on a connection that stays open. */
export const silence: Responder = () => {};

/** Sends a good beginning, and then nothing. */
export const stopsInTheMiddle: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`);
};

/** Sends a byte every tenth of a second, which no time limit for silence alone would end. */
export const drips: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => res.write(" "), 100);
  res.on("close", () => clearInterval(timer));
};

export const sendsElsewhere =
  (status: number, to: string): Responder =>
  (_req, res) =>
    void res.writeHead(status, { location: to }).end();

const cut = (res: ServerResponse): void => void res.socket?.resetAndDestroy();

export const resetsAtOnce: Responder = (_req, res) => cut(res);

export const resetsInTheHeaders: Responder = (_req, res) => {
  res.socket?.write("HTTP/1.1 200 OK\r\nContent-Type: applic", () => cut(res));
};

export const resetsInTheBody: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`, () => setImmediate(cut, res));
};

/** Sends something other than HTTP. */
export const speaksInTongues: Responder = (_req, res) => {
  res.socket?.end(`SSH-2.0-OpenSSH_9.2 ${CANARY}\r\n`);
};

/** Sends a status line that no server should write. */
export const withStatusLine =
  (line: string): Responder =>
  (_req, res) => {
    res.socket?.end(
      `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\n` +
        "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    );
  };

/** Ends its connection before the announced length, in good order and not by a reset. */
export const endsTooEarly: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`, () => res.socket?.end());
};

/** Does the same without the last chunk that marks the end. */
export const endsWithoutALastChunk: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  res.write(`{"${CANARY}":`, () => res.socket?.end());
};

/** Sends 1 MB of headers before a good response. */
export const endlessHeaders: Responder = sendJson(200, {}, { "x-about": "a".repeat(1_000_000) });

/** Fetches the provider's honest response: the request is sent to it again, as the app would send it. */
async function honestly({ method = "GET", headers, url }: IncomingMessage, form: string): Promise<Response> {
  const sent = Object.entries(headers).filter(([name]) =>
    ["authorization", "content-type", "accept"].includes(name),
  );
  return fetch(`http://${headers.host}${url}`, {
    method,
    headers: Object.fromEntries(sent) as Record<string, string>,
    ...(method === "POST" && { body: form }),
  });
}

/** Sends a good response, written in another way. */
export const rewritten =
  (write: TokenResponseWriter): Responder =>
  async (req, res) => {
    const honest = await honestly(req, await text(req));
    const { body, headers } = write(await honest.text());
    res.writeHead(honest.status, headers).end(body);
  };

/** Sends a good response late. */
export const late =
  (milliseconds: number): Responder =>
  async (req, res) => {
    const honest = await honestly(req, await text(req));
    const body = await honest.text();
    setTimeout(
      () => res.writeHead(honest.status, { "content-type": "application/json" }).end(body),
      milliseconds,
    );
  };

/** Sends a good response byte by byte. */
export const inPieces: Responder = async (req, res) => {
  const honest = await honestly(req, await text(req));
  const bytes = new Uint8Array(await honest.arrayBuffer());
  res.writeHead(honest.status, { "content-type": "application/json" }).flushHeaders();
  for (const byte of bytes) await new Promise((resolve) => res.write(Buffer.of(byte), resolve));
  res.end();
};

/**
 * Lets the next login be honest, with an access token that has already expired, so that its first use needs a
 * refresh.
 */
export function endsAtOnce(provider: LocalProvider): void {
  provider.nextTokenResponse({ expires_in: 0 });
  provider.nextIdToken({});
}

const SPACES = " ".repeat(100_000);

/** Sends a text and then 50 MB of spaces, as fast as they are read. */
const flood =
  (begin: (req: IncomingMessage) => Promise<string>): Responder =>
  async (req, res) => {
    res.writeHead(200, { "content-type": "application/json" }).write(await begin(req));
    let sent = 0;
    const more = () => {
      while (sent < 500 && !res.destroyed) {
        sent += 1;
        if (!res.write(SPACES)) {
          res.once("drain", more);
          return;
        }
      }
      res.end();
    };
    more();
  };

let packedSpaces: Buffer | undefined;

/** Sends the same, compressed to a few kilobytes. */
const packedFlood =
  (begin: (req: IncomingMessage) => Promise<string>): Responder =>
  async (req, res) => {
    packedSpaces ??= gzipSync(SPACES.repeat(500));
    // two members of gzip are one text
    const packed = Buffer.concat([gzipSync(await begin(req)), packedSpaces]);
    res.writeHead(200, {
      "content-type": "application/json",
      "content-encoding": "gzip",
      "content-length": packed.length,
    });
    res.end(packed);
  };

const anything = async () => `{"${CANARY}":0}`;
const honestText = async (req: IncomingMessage) => (await honestly(req, await text(req))).text();

export const endless = flood(anything);
export const bomb = packedFlood(anything);
/** A client that reads without a limit finds nothing wrong with these. */
export const goodAndEndless = flood(honestText);
export const goodBomb = packedFlood(honestText);
