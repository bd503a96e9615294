import type { Request } from "express";

/**
 * The kind of client that reads a response.
 *
 * - browser: a browser that loads a page.
 * - unsure: perhaps a browser, behind a proxy that removes headers.
 * - script: everything else.
 */
export type ClientKind = "browser" | "unsure" | "script";

/** The encodings of HTML forms. */
const FORM_TYPE = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i;

/** Browsers, and Amazon CloudFront, which replaces User-Agent and removes Accept and Sec-Fetch-*. */
const BROWSER = /^(Mozilla\/|Amazon CloudFront)/;

/**
 * Detects the kind of client. The guide shows the rules ("Redirect, page or 401"). Their order: Fetch
 * Metadata (Fetch Metadata Request Headers, section 2.2), headers that only scripts send, Accept, and other
 * signs of a browser.
 */
export function detectClientKind(req: Request): ClientKind {
  const { headers } = req;
  if (isPrefetch(req)) return "script";
  const mode = headers["sec-fetch-mode"];
  if (mode !== undefined) return mode === "navigate" ? "browser" : "script";
  if (isSentByScript(req)) return "script";
  if (req.accepts(["json", "html"]) === "html") return "browser";
  if (!acceptsAnything(headers.accept)) return "script";
  if (headers["upgrade-insecure-requests"] === "1") return "browser";
  return canBeBrowser(req) ? "unsure" : "script";
}

/**
 * Android's WebView also sends X-Requested-With, with the name of its app. Such a request is not from a
 * script.
 */
function isSentByScript({ headers }: Request): boolean {
  const isXhr = /^XMLHttpRequest$/i.test(String(headers["x-requested-with"] ?? ""));
  return isXhr || /^(Bearer|DPoP) /i.test(headers.authorization ?? "");
}

const acceptsAnything = (accept: string | undefined): boolean =>
  /^\s*(\*\/\*\s*(;[^,]*)?)?$/.test(accept ?? "");

/** fetch() sends Accept, so a form without Accept comes from a browser that loads a page. */
function canBeBrowser({ method, headers }: Request): boolean {
  if (!BROWSER.test(headers["user-agent"] ?? "")) return false;
  if (method === "GET" || method === "HEAD") return true;
  return method === "POST" && headers.accept === undefined && FORM_TYPE.test(headers["content-type"] ?? "");
}

/** Returns whether a browser loads a page with GET, so that a redirect can start a login. */
export function isNavigation(req: Request): boolean {
  return req.method === "GET" && detectClientKind(req) === "browser";
}

/** Returns whether the response should be a page, and not a problem for a script. */
export function shouldSendPage(req: Request): boolean {
  return detectClientKind(req) !== "script";
}

/**
 * Returns whether Microsoft Office checks a link of a document. It follows redirects without the browser's
 * cookies, and opens the last URL in the browser. A login that Office has started cannot finish there. If the
 * response is a page with status 200, Office opens the link itself.
 */
export function isOfficeLink({ method, headers }: Request): boolean {
  const agent = headers["user-agent"] ?? "";
  const isOffice = /\b(ms-office|MSOffice|Microsoft Office)\b/i.test(agent) && !/Outlook/i.test(agent);
  return method === "GET" && headers["sec-fetch-mode"] === undefined && isOffice;
}

/**
 * Returns whether a browser posted a form. The policy of its page may forbid a redirect to another origin:
 * browsers apply `form-action` to redirects too (Content Security Policy Level 3, section 6.4.1).
 */
export function isFormPost(req: Request): boolean {
  return req.method !== "GET" && req.method !== "HEAD" && shouldSendPage(req);
}

/**
 * Returns whether the browser loads a top-level page, and not a frame. Browsers without Fetch Metadata count
 * as top-level.
 */
export function isTopLevelPage({ headers }: Request): boolean {
  return (headers["sec-fetch-dest"] ?? "document") === "document";
}

/**
 * Returns whether a user opens a page, as far as the headers show. The browser must send Fetch Metadata
 * (Fetch Metadata Request Headers, sections 2.1 and 2.2), and must not be a robot.
 */
export function isUserNavigation(req: Request): boolean {
  const { method, headers } = req;
  return (
    method === "GET" &&
    headers["sec-fetch-mode"] === "navigate" &&
    headers["sec-fetch-dest"] === "document" &&
    !isPrefetch(req) &&
    !/bot|crawl|spider/i.test(headers["user-agent"] ?? "")
  );
}

/**
 * Returns whether a browser loads a page in advance. Such a request must not start a login or use up
 * anything.
 */
export function isPrefetch({ headers }: Request): boolean {
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]];
  return purposes.some((purpose) => /prefetch|preview|prerender/i.test(String(purpose ?? "")));
}
