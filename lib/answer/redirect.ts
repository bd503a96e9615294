import type { Response } from "express";
import { setResponseHeaders } from "./response-headers.js";

/**
 * Redirects the browser. Use 302 to the provider, 303 if the request may be a POST, and 307 to repeat the
 * POST at the target (RFC 9110, sections 15.4.4 and 15.4.8).
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
