import type { Response } from "express";
import { setResponseHeaders } from "./response-headers.js";

/**
 * Sends the browser on. 302 to the portal; 303 where a POST may have come before; 307 where that is to be repeated there
 * (RFC 9110, sections 15.4.4 and 15.4.8).
 */
export function redirect(
  res: Response,
  status: 302 | 303 | 307,
  to: string,
  setHeaders = setResponseHeaders,
): void {
  setHeaders(res);
  res.statusCode = status;
  res.setHeader("Location", to);
  res.end();
}
