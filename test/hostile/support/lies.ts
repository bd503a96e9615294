import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import type { Answer } from "../../../example-app/portal/portal.js";
import { CANARY } from "./attack.js";

// Answers by which a portal lies or breaks, for `portal.answerNext`. Each carries the canary where it can.

export const sendJson =
  (status: number, body: unknown, headers: Record<string, string> = {}): Answer =>
  (_req, res) =>
    void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));

export const sendText =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (_req, res) =>
    void res.writeHead(status, headers).end(body);

const PAGE = `<!doctype html><title>${CANARY}</title><script>alert("${CANARY}")</script>`;
export const html = (status: number): Answer => sendText(status, PAGE, { "content-type": "text/html; charset=utf-8" });

/** Nothing at all, on a connection that stays open. */
export const silence: Answer = () => {};

/** A good beginning, and then nothing. */
export const stopsInTheMiddle: Answer = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`);
};

/** A byte a tenth of a second, which no time limit for silence alone would end. */
export const drips: Answer = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  const timer = setInterval(() => res.write(" "), 100);
  res.on("close", () => clearInterval(timer));
};

/** 50 MB, as fast as they are read. */
export const endless: Answer = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json" });
  const chunk = "a".repeat(100_000);
  let sent = 0;
  const more = () => {
    while (sent < 500 && !res.destroyed) {
      sent += 1;
      if (!res.write(chunk)) return void res.once("drain", more);
    }
    res.end();
  };
  res.write('{"a":"');
  more();
};

/** A few kilobytes that are 50 MB when they are unpacked. */
export const bomb: Answer = (_req, res) => {
  const packed = gzipSync(Buffer.alloc(50_000_000, " "));
  const type = "application/json";
  res.writeHead(200, { "content-type": type, "content-encoding": "gzip", "content-length": packed.length }).end(packed);
};

export const sendsElsewhere =
  (status: number, to: string): Answer =>
  (_req, res) =>
    void res.writeHead(status, { location: to }).end();

const cut = (res: ServerResponse): void => void res.socket?.resetAndDestroy();

export const resetsAtOnce: Answer = (_req, res) => cut(res);

export const resetsInTheHeaders: Answer = (_req, res) => {
  res.socket?.write("HTTP/1.1 200 OK\r\nContent-Type: applic", () => cut(res));
};

export const resetsInTheBody: Answer = (_req, res) => {
  res.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
  res.write(`{"${CANARY}":`, () => setImmediate(cut, res));
};

/** No HTTP at all. */
export const speaksInTongues: Answer = (_req, res) => {
  res.socket?.end(`SSH-2.0-OpenSSH_9.2 ${CANARY}\r\n`);
};

/** A status line that no server should write. */
export const withStatusLine =
  (line: string): Answer =>
  (_req, res) => {
    res.socket?.end(
      `HTTP/1.1 ${line}\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
  };
