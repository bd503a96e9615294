import type { Request } from "express";
import { readForm } from "../http/parameters.js";

/**
 * Reads the body of a posted form as text. Returns undefined unless a browser can post exactly the same body
 * again.
 *
 * The text must have as many bytes as were sent. The body parser of an application reads `a=1` and `a[]=1`
 * alike and omits what it cannot parse. Bytes that are not UTF-8 become other characters.
 */
export async function readRepeatableForm(req: Request, maxBytes: number): Promise<string | undefined> {
  const length = Number(req.headers["content-length"]);
  if (!req.is("application/x-www-form-urlencoded") || !(length <= maxBytes)) return undefined;
  // Files, nested objects and incomplete forms are not saved.
  const form = await readForm(req, maxBytes).catch(() => undefined);
  const text = form?.toString();
  if (!form || text === undefined || Buffer.byteLength(text) !== length) return undefined;
  return [...form].every(isRepeatableField) ? text : undefined;
}

/**
 * Returns whether a hidden field of a page is posted exactly like this field. Browsers change some values
 * (HTML Living Standard, sections 4.10.21.4 and 13.2.3.5).
 */
function isRepeatableField([name, value]: [string, string]): boolean {
  if (name === "") return false;
  if (name.toLowerCase() === "_charset_") return value === "UTF-8";
  return !/\0|\r(?!\n)|(?<!\r)\n/.test(name + value);
}
