import type { Request } from "express";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";

/**
 * The query parameter that holds a posted authorization response, encrypted, for the GET that finishes the
 * login.
 */
export const POSTED_PARAMETER = "posted";

const MAX_FORM_BYTES = 64 * 1024;

/**
 * Returns the query parameters as the client sent them. `req.query` is not used, because an application's
 * parser may have turned them into lists and objects.
 */
export function readQuery(req: Request): URLSearchParams {
  const [, ...query] = req.url.split("?");
  return new URLSearchParams(query.join("?"));
}

/**
 * Reads the parameters of a posted form.
 *
 * @throws PortalAuthError with the given code if the body is not a form, or has over 64 KiB
 */
export const readFormOrThrow = (req: Request, code: PortalAuthErrorCode): Promise<URLSearchParams> =>
  readForm(req).catch(({ message: detail }: Error) => {
    throw new PortalAuthError(code, { detail });
  });

/**
 * Reads the parameters of a posted form. If the application has already parsed the body (express.urlencoded),
 * the parsed values are used. Each value of a repeated parameter is kept, so that the caller can reject it.
 *
 * @param maxBytes default: 64 KiB
 * @throws Error with a message of our own if the body is not a form, is too long, or ends early
 */
export async function readForm(req: Request, maxBytes = MAX_FORM_BYTES): Promise<URLSearchParams> {
  if (!req.is("application/x-www-form-urlencoded")) throw new Error("a POST that is not a form");
  // req.body does not show whether the body was read: a parser for another type leaves an empty object there.
  if (req.readableDidRead) return toSearchParams(req.body);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // The stream must not be destroyed when the loop ends, because the error response uses the same
    // connection.
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      length += chunk.length;
      if (length > maxBytes) break;
      chunks.push(chunk);
    }
  } catch {
    throw new Error("a form that ended early");
  }
  if (length > maxBytes) throw new Error(`a form over ${maxBytes / 1024} KiB`);
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

/**
 * Converts a parsed body: text, bytes, or an object. Values that are neither text nor a list of texts are
 * rejected.
 */
function toSearchParams(body: unknown): URLSearchParams {
  if (typeof body === "string" || Buffer.isBuffer(body)) return new URLSearchParams(body.toString("utf8"));
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(Object(body)))
    for (const item of Array.isArray(value) ? value : [value]) {
      if (typeof item !== "string") throw new Error("a parameter with members");
      form.append(name, item);
    }
  return form;
}
