import type { Request } from "express";
import { readForm } from "../parameters.js";

/**
 * A form that was posted, as the text of its body, if a page of ours can have a browser post the very same again; else
 * undefined. Whoever has read the body, it must come to as many bytes as were sent: an application's parser makes the same
 * of `a=1` and `a[]=1` and half of what it does not understand, and what is no UTF-8 is read as something else.
 */
export async function readRepeatable(req: Request, maxBytes: number): Promise<string | undefined> {
  const length = Number(req.headers["content-length"]);
  if (!req.is("application/x-www-form-urlencoded") || !(length <= maxBytes)) return undefined;
  const form = await readForm(req, maxBytes).catch(() => undefined); // files, objects, half a form: not to be kept
  const text = form?.toString();
  if (!form || text === undefined || Buffer.byteLength(text) !== length) return undefined;
  return [...form].every(isRepeatable) ? text : undefined;
}

/** What a hidden field becomes in a page, and is when it is posted: HTML Living Standard, sections 4.10.21.4 and 13.2.3.5. */
function isRepeatable([name, value]: [string, string]): boolean {
  if (name === "") return false;
  if (name.toLowerCase() === "_charset_") return value === "UTF-8";
  return !/\0|\r(?!\n)|(?<!\r)\n/.test(name + value);
}
