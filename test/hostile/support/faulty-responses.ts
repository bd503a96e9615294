import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import type {
  LocalProvider,
  Responder,
  TokenResponseWriter,
} from "../../../lib/testing/provider/local-provider.js";
import { CANARY } from "./attack.js";

// Faulty responses of the provider, for `answerNext`. Each contains the canary where it can.

/** Sends a value as JSON. */
export const sendJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Responder =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

/** Sends a text. */
export const sendText =
  (status: number, body: string, headers: Record<string, string> = {}): Responder =>
  (_req, res) =>
    void res.writeHead(status, headers).end(body);

const PAGE = `<!doctype html><title>${CANARY}</title><script>alert("${CANARY}")</script>`;
/** Sends a page. */
export const sendHtml = (status: number): Responder =>
  sendText(status, PAGE, { "content-type": "text/html; charset=utf-8" });

/** Sends nothing, on a connection that stays open. */
export const neverResponds: Responder = () => {};

/** Sends the start of a response, and then nothing. */
export const stopsMidway: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`);
};

/** Sends a byte every tenth of a second, so that a timeout for silence alone would never fire. */
export const sendsSlowly: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => res.write(" "), 100);
  res.on("close", () => clearInterval(timer));
};

/** Redirects with this status. */
export const redirectsTo =
  (status: number, location: string): Responder =>
  (_req, res) =>
    void res.writeHead(status, { location }).end();

const resetConnection = (res: ServerResponse): void => void res.socket?.resetAndDestroy();

/** Resets the connection before any response. */
export const resetsAtOnce: Responder = (_req, res) => resetConnection(res);

/** Resets the connection in the middle of a header. */
export const resetsInTheHeaders: Responder = (_req, res) => {
  res.socket?.write("HTTP/1.1 200 OK\r\nContent-Type: applic", () => resetConnection(res));
};

/** Resets the connection in the middle of the body. */
export const resetsInTheBody: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`, () => setImmediate(resetConnection, res));
};

/** Sends something other than HTTP. */
export const sendsOtherProtocol: Responder = (_req, res) => {
  res.socket?.end(`SSH-2.0-OpenSSH_9.2 ${CANARY}\r\n`);
};

/** Sends a status line that no server should write. */
export const sendStatusLine =
  (line: string): Responder =>
  (_req, res) => {
    res.socket?.end(
      `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\n` +
        "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
    );
  };

/** Ends the connection before the announced length, without a reset. */
export const endsBeforeLength: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`, () => res.socket?.end());
};

/** Ends the connection without the last chunk that marks the end. */
export const endsWithoutLastChunk: Responder = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  res.write(`{"${CANARY}":`, () => res.socket?.end());
};

/** Sends 1 MB of headers before a valid response. */
export const hugeHeaders: Responder = sendJson(200, {}, { "x-about": "a".repeat(1_000_000) });

/** Fetches the provider's honest response, by sending the app's request to it again. */
async function fetchHonestResponse(
  { method = "GET", headers, url }: IncomingMessage,
  form: string,
): Promise<Response> {
  const sent = Object.entries(headers).filter(([name]) =>
    ["authorization", "content-type", "accept"].includes(name),
  );
  return fetch(`http://${headers.host}${url}`, {
    method,
    headers: Object.fromEntries(sent) as Record<string, string>,
    ...(method === "POST" && { body: form }),
  });
}

/** Sends the honest response, written in another way. */
export const rewritten =
  (write: TokenResponseWriter): Responder =>
  async (req, res) => {
    const response = await fetchHonestResponse(req, await text(req));
    const { body, headers } = write(await response.text());
    res.writeHead(response.status, headers).end(body);
  };

/** Sends the honest response late. */
export const delayed =
  (milliseconds: number): Responder =>
  async (req, res) => {
    const response = await fetchHonestResponse(req, await text(req));
    const body = await response.text();
    setTimeout(
      () => res.writeHead(response.status, { "content-type": "application/json" }).end(body),
      milliseconds,
    );
  };

/** Sends the honest response byte by byte. */
export const byteByByte: Responder = async (req, res) => {
  const response = await fetchHonestResponse(req, await text(req));
  const bytes = new Uint8Array(await response.arrayBuffer());
  res.writeHead(response.status, { "content-type": "application/json" }).flushHeaders();
  for (const byte of bytes) await new Promise((resolve) => res.write(Buffer.of(byte), resolve));
  res.end();
};

/**
 * Lets the next login succeed with an access token that has already expired, so that its first use needs a
 * refresh.
 */
export function issueExpiredToken(provider: LocalProvider): void {
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
    const sendSpaces = () => {
      while (sent < 500 && !res.destroyed) {
        sent += 1;
        if (!res.write(SPACES)) {
          res.once("drain", sendSpaces);
          return;
        }
      }
      res.end();
    };
    sendSpaces();
  };

let compressedSpaces: Buffer | undefined;

/** Sends a text and then 50 MB of spaces, compressed to a few kilobytes. */
const compressedFlood =
  (begin: (req: IncomingMessage) => Promise<string>): Responder =>
  async (req, res) => {
    compressedSpaces ??= gzipSync(SPACES.repeat(500));
    // two members of gzip are one text
    const packed = Buffer.concat([gzipSync(await begin(req)), compressedSpaces]);
    res.writeHead(200, {
      "content-type": "application/json",
      "content-encoding": "gzip",
      "content-length": packed.length,
    });
    res.end(packed);
  };

const createText = async () => `{"${CANARY}":0}`;
const readHonestResponse = async (req: IncomingMessage) =>
  (await fetchHonestResponse(req, await text(req))).text();

/** Sends 50 MB. */
export const hugeBody = flood(createText);
/** Sends 50 MB, compressed to a few kilobytes. */
export const gzipBomb = compressedFlood(createText);
/** Sends the honest response and 50 MB of spaces. A client without a limit accepts it. */
export const validHugeBody = flood(readHonestResponse);
/** Sends the honest response and 50 MB of spaces, compressed to a few kilobytes. */
export const validGzipBomb = compressedFlood(readHonestResponse);
