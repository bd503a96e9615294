import type { Response } from "express";
import { ourHeaders } from "./headers.js";

/** Sends the browser on. 302 to the portal; 303 where a POST may have come before (RFC 9110, section 15.4.4). */
export function redirect(res: Response, status: 302 | 303, to: string): void {
  ourHeaders(res);
  res.statusCode = status;
  res.setHeader("Location", to);
  res.end();
}
