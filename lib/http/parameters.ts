import type { Request } from "express";
import { PortalAuthError, type PortalAuthErrorCode } from "../errors/portal-auth-error.js";

/** Holds, sealed, what a portal has posted, on its way to the GET that finishes the login. */
export const POSTED_PARAMETER = "posted";

const MAX_FORM_BYTES = 64 * 1024;

/** The parameters of the address, as they came: parsers of an application may have made lists and objects of them. */
export function readQuery(req: Request): URLSearchParams {
  const [, ...query] = req.url.split("?");
  return new URLSearchParams(query.join("?"));
}

/**
 * The parameters of a form that was posted, as a PortalAuthError of this code says that there are none.
 *
 * @throws PortalAuthError with the code: not a form, or over 64 KiB
 */
export const readFormOrThrow = (req: Request, code: PortalAuthErrorCode): Promise<URLSearchParams> =>
  readForm(req).catch(({ message: detail }: Error) => {
    throw new PortalAuthError(code, { detail });
  });

/**
 * The parameters of a form that was posted. An application may have read the body before us (express.urlencoded);
 * whatever parser that was, each value counts, so that a parameter given twice is seen.
 *
 * @throws Error that says in our own words why there are none: not a form, or over so many bytes, by default 64 KiB
 */
export async function readForm(req: Request, mostBytes = MAX_FORM_BYTES): Promise<URLSearchParams> {
  if (!req.is("application/x-www-form-urlencoded")) throw new Error("a POST that is not a form");
  // asked of the stream, not of req.body: a parser that was not meant for forms leaves an empty object there
  if (req.readableDidRead) return toSearchParams(req.body);
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    // not destroyed when the loop is left: the refusal travels on the same connection
    for await (const chunk of req.iterator({ destroyOnReturn: false })) {
      length += chunk.length;
      if (length > mostBytes) break;
      chunks.push(chunk);
    }
  } catch {
    throw new Error("a form that ended early");
  }
  if (length > mostBytes) throw new Error(`a form over ${mostBytes / 1024} KiB`);
  return new URLSearchParams(Buffer.concat(chunks).toString("utf8"));
}

/** What the application's parser made of the body: text, bytes, or an object whose members may be anything. */
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
