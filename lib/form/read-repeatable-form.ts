import type { Request } from "express";
import { readForm } from "../http/parameters.js";

/**
 * Returns the body of a posted form as text, if a browser can post exactly the same again. Otherwise undefined. The text must
 * have as many bytes as were sent: the parser of an application reads `a=1` and `a[]=1` alike and omits what it does not
 * understand, and bytes that are not UTF-8 are read as other characters.
 */
export async function readRepeatableForm(req: Request, maxBytes: number): Promise<string | undefined> {
  const length = Number(req.headers["content-length"]);
  if (!req.is("application/x-www-form-urlencoded") || !(length <= maxBytes)) return undefined;
  const form = await readForm(req, maxBytes).catch(() => undefined); // files, objects and incomplete forms are not kept
  const text = form?.toString();
  if (!form || text === undefined || Buffer.byteLength(text) !== length) return undefined;
  return [...form].every(isRepeatableField) ? text : undefined;
}

/** What a hidden field becomes in a page, and is when it is posted: HTML Living Standard, sections 4.10.21.4 and 13.2.3.5. */
function isRepeatableField([name, value]: [string, string]): boolean {
  if (name === "") return false;
  if (name.toLowerCase() === "_charset_") return value === "UTF-8";
  return !/\0|\r(?!\n)|(?<!\r)\n/.test(name + value);
}
