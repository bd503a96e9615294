import type { Request } from "express";

/** A browser that loads a page for a person: the one client that a login can be started for. */
export function navigates(req: Request): boolean {
  return req.method === "GET" && !isPrefetch(req) && wantsPage(req);
}

/**
 * Whether an answer should be a page (or a redirect to one). Browsers say so themselves (Fetch Metadata Request
 * Headers, section 2.2); for those that do not, an Accept header that prefers HTML does.
 */
export function wantsPage(req: Request): boolean {
  const mode = req.headers["sec-fetch-mode"];
  if (mode !== undefined) return mode === "navigate";
  return req.accepts(["json", "html"]) === "html";
}

/** A browser that loads ahead, perhaps for nothing. It must not start or spend anything. */
export function isPrefetch({ headers }: Request): boolean {
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]];
  return purposes.some((purpose) => /prefetch|preview|prerender/i.test(String(purpose ?? "")));
}
