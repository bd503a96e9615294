import type { Request } from "express";
import { PortalAuthError } from "./errors.js";

const MAX_FORM_BYTES = 64 * 1024;

/** The parameters of the address, as they came: parsers of an application may have made lists and objects of them. */
export function readQuery(req: Request): URLSearchParams {
  const [, ...query] = req.url.split("?");
  return new URLSearchParams(query.join("?"));
}

/**
 * The parameters of a form that was posted. An application may have read the body before us (express.urlencoded);
 * whatever parser that was, each value counts, so that a parameter given twice is seen.
 *
 * @throws PortalAuthError `callback_invalid`: not a form, or over 64 KiB
 */
export async function readForm(req: Request): Promise<URLSearchParams> {
  if (!req.is("application/x-www-form-urlencoded"))
    throw new PortalAuthError("callback_invalid", { detail: "a POST that is not a form" });
  if (req.readableEnded || isParsed(req.body)) return fromParsed(req.body);
  const chunks: Buffer[] = [];
  let length = 0;
  // not destroyed when the loop is left: the refusal travels on the same connection
  for await (const chunk of req.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > MAX_FORM_BYTES) throw new PortalAuthError("callback_invalid", { detail: "a form over 64 KiB" });
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

const isParsed = (body: unknown): body is Record<string, unknown> => typeof body === "object" && body !== null;

function fromParsed(body: unknown): URLSearchParams {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(isParsed(body) ? body : {}))
    for (const item of Array.isArray(value) ? value : [value]) form.append(name, String(item));
  return form;
}
