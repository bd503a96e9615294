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

/**
 * Whether a form of a page was posted. The page's own Content Security Policy may forbid that a redirect leads to another
 * origin: browsers apply `form-action` to redirects too (Content Security Policy Level 3, section 6.4.1).
 */
export function isFormPost(req: Request): boolean {
  return req.method !== "GET" && req.method !== "HEAD" && wantsPage(req);
}

/** Whether what is loaded is a page of its own, and no frame in another; believed of browsers that do not say. */
export function isOwnPage({ headers }: Request): boolean {
  return (headers["sec-fetch-dest"] ?? "document") === "document";
}

/**
 * Whether a request is a person's, on their way to a page, as far as can be seen: a browser that says so itself (Fetch
 * Metadata Request Headers, sections 2.1 and 2.2), and no robot that drives one.
 */
export function isPersonOnTheirWay(req: Request): boolean {
  const { method, headers } = req;
  return (
    method === "GET" &&
    headers["sec-fetch-mode"] === "navigate" &&
    headers["sec-fetch-dest"] === "document" &&
    !isPrefetch(req) &&
    !/bot|crawl|spider/i.test(headers["user-agent"] ?? "")
  );
}

/** A browser that loads ahead, perhaps for nothing. It must not start or spend anything. */
export function isPrefetch({ headers }: Request): boolean {
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]];
  return purposes.some((purpose) => /prefetch|preview|prerender/i.test(String(purpose ?? "")));
}
