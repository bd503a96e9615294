import type { Request } from "express";

/**
 * Who reads an answer. `person`: a browser that loads a page. `unsure`: perhaps a browser, behind something that removes
 * headers. `script`: everything else.
 */
export type ClientKind = "person" | "unsure" | "script";

/** Form encodings of HTML, which a browser posts when it loads a page. */
const FORM_TYPE = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i;

/** Browsers, and Amazon CloudFront, which replaces their User-Agent and removes Accept and Sec-Fetch-*. */
const BROWSER = /^(Mozilla\/|Amazon CloudFront)/;

/**
 * Decides who reads the answer. The rules are in the README ("Pages, redirects and problems"), in this order: Fetch Metadata
 * (Fetch Metadata Request Headers, section 2.2), headers that only scripts send, Accept, and last the traces of a browser
 * whose Accept says nothing.
 */
export function detectClientKind(req: Request): ClientKind {
  const { headers } = req;
  if (isPrefetch(req)) return "script";
  const mode = headers["sec-fetch-mode"];
  if (mode !== undefined) return mode === "navigate" ? "person" : "script";
  if (isSentByScript(req)) return "script";
  if (req.accepts(["json", "html"]) === "html") return "person";
  if (!acceptsAnything(headers.accept)) return "script";
  if (headers["upgrade-insecure-requests"] === "1") return "person";
  return canBeBrowser(req) ? "unsure" : "script";
}

/** Android's WebView sends X-Requested-With too, with the name of its app. */
function isSentByScript({ headers }: Request): boolean {
  const isXhr = /^XMLHttpRequest$/i.test(String(headers["x-requested-with"] ?? ""));
  return isXhr || /^(Bearer|DPoP) /i.test(headers.authorization ?? "");
}

const acceptsAnything = (accept: string | undefined): boolean =>
  /^\s*(\*\/\*\s*(;[^,]*)?)?$/.test(accept ?? "");

/** fetch() sends Accept, so a POST with a form encoding and without Accept comes from a browser that loads a page. */
function canBeBrowser({ method, headers }: Request): boolean {
  if (!BROWSER.test(headers["user-agent"] ?? "")) return false;
  if (method === "GET" || method === "HEAD") return true;
  return method === "POST" && headers.accept === undefined && FORM_TYPE.test(headers["content-type"] ?? "");
}

/** Whether a browser loads a page, so that a redirect can begin a login. */
export function isNavigation(req: Request): boolean {
  return req.method === "GET" && detectClientKind(req) === "person";
}

/** Whether an answer should be a page. */
export function shouldSendPage(req: Request): boolean {
  return detectClientKind(req) !== "script";
}

/**
 * Whether Microsoft Office looks where a link in a document leads. It follows redirects without the browser's cookies and
 * hands the last address to the browser, where a login that it has begun cannot end. It hands on the link itself if the
 * answer is a page with status 200.
 */
export function isOfficeLink({ method, headers }: Request): boolean {
  const agent = headers["user-agent"] ?? "";
  const isOffice = /\b(ms-office|MSOffice|Microsoft Office)\b/i.test(agent) && !/Outlook/i.test(agent);
  return method === "GET" && headers["sec-fetch-mode"] === undefined && isOffice;
}

/**
 * Whether a form of a page was posted. The page's own Content Security Policy may forbid that a redirect leads to another
 * origin: browsers apply `form-action` to redirects too (Content Security Policy Level 3, section 6.4.1).
 */
export function isFormPost(req: Request): boolean {
  return req.method !== "GET" && req.method !== "HEAD" && shouldSendPage(req);
}

/** Whether what is loaded is a page of its own, and no frame in another; believed of browsers that do not say. */
export function isTopLevelPage({ headers }: Request): boolean {
  return (headers["sec-fetch-dest"] ?? "document") === "document";
}

/**
 * Whether a request is a person's, on their way to a page, as far as can be seen: a browser that says so itself (Fetch
 * Metadata Request Headers, sections 2.1 and 2.2), and no robot that drives one.
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

/** A browser that loads ahead, perhaps for nothing. It must not start or spend anything. */
export function isPrefetch({ headers }: Request): boolean {
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]];
  return purposes.some((purpose) => /prefetch|preview|prerender/i.test(String(purpose ?? "")));
}
