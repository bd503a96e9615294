import type { OutgoingHttpHeaders } from "node:http";
import type { Response } from "express";
import { setResponseHeaders } from "./response-headers.js";

/**
 * nginx reads the headers of a response into a buffer of 4 KiB (`proxy_buffer_size`). It answers 502 if they
 * do not fit.
 */
const MAX_BYTES = 4096;
/**
 * For the status line, Date, Connection, and the cookie of the application's own session, which are added
 * later.
 */
const RESERVED_BYTES = 300;
const SEPARATORS = ": \r\n".length;

/** Returns the size of a header line in bytes. */
export const getHeaderLineBytes = (name: string, value: string): number =>
  name.length + value.length + SEPARATORS;

/**
 * Returns how many bytes are left for more headers of a redirect to this URL, below 4 KiB in total. The
 * result can be negative, because the application may have set large headers of its own.
 */
export function getRemainingHeaderBytes(res: Response, location: string): number {
  ownHeaders ??= collectOwnHeaders();
  const headers = { ...res.getHeaders(), ...ownHeaders, location };
  const used = Object.entries(headers).reduce((sum, [name, value]) => sum + countLineBytes(name, value), 0);
  return MAX_BYTES - RESERVED_BYTES - used;
}

function countLineBytes(name: string, value: OutgoingHttpHeaders[string]): number {
  return [value ?? []].flat().reduce<number>((sum, line) => sum + getHeaderLineBytes(name, String(line)), 0);
}

let ownHeaders: OutgoingHttpHeaders | undefined;

function collectOwnHeaders(): OutgoingHttpHeaders {
  const lines: OutgoingHttpHeaders = {};
  const collector = {
    setHeader(name: string, value: string) {
      lines[name.toLowerCase()] = value;
    },
    removeHeader() {},
  };
  setResponseHeaders(collector as unknown as Response);
  return lines;
}
