import type { Response } from "express";

/** Sends a response with a body. Its status and other headers must be set before. */
export function send(res: Response, type: string, body: string): void {
  res.setHeader("Content-Type", type);
  res.setHeader("Content-Length", Buffer.byteLength(body));
  res.end(body);
}
