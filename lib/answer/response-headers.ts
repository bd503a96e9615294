import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Response } from "express";
import helmet from "helmet";
import { PAGE_STYLE } from "./page-html.js";

/** Headers that Express and the application's own helmet may have set before. */
const REMOVED = ["X-Powered-By", "Cross-Origin-Opener-Policy"];

/** Directives of the Content Security Policy, in addition to those of every response. */
type CspDirectives = Readonly<Record<string, readonly string[]>>;

/**
 * Creates a function that sets the headers of our own responses: those of helmet, no caching, and no Referer
 * for the next site.
 *
 * @param framedBy the origins whose pages may show the response in a frame; default none
 */
export function createHeaderSetter(
  directives: CspDirectives,
  framedBy: readonly string[] = [],
): (res: Response) => void {
  const isFramed = framedBy.length > 0;
  const protect = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        ...directives,
        baseUri: ["'none'"],
        frameAncestors: isFramed ? framedBy : ["'none'"],
      },
    },
    // X-Frame-Options cannot name other origins.
    frameguard: isFramed ? false : { action: "deny" },
    // Isolated pages of a provider (COEP) can frame only such responses.
    crossOriginResourcePolicy: { policy: isFramed ? "cross-origin" : "same-origin" },
    // It would cut window.opener of a login in a popup, also at a redirect (HTML, "obtain an opener policy").
    crossOriginOpenerPolicy: false,
    referrerPolicy: { policy: "no-referrer" },
    // It applies to the whole host with its subdomains, so the application must decide.
    strictTransportSecurity: false,
  });
  // Helmet sets the same headers for every response, so it runs only once.
  const fixed = new Map<string, string>([["Cache-Control", "no-store"]]);
  const collector = {
    setHeader: (name: string, value: string) => fixed.set(name, value),
    removeHeader: () => {},
  };
  protect({} as IncomingMessage, collector as unknown as ServerResponse, () => {});
  return function setHeaders(res) {
    for (const [name, value] of fixed) res.setHeader(name, value);
    for (const name of REMOVED) res.removeHeader(name);
  };
}

const styleHash = `'sha256-${createHash("sha256").update(PAGE_STYLE).digest("base64")}'`;

/** Sets the headers of every response to users and their programs. */
export const setResponseHeaders = createHeaderSetter({
  styleSrc: [styleHash],
  // Browsers apply form-action to redirects too. A saved form is posted to a route of the application, which
  // may redirect to another origin.
  formAction: ["'self'", "https:", "http://127.0.0.1:*", "http://localhost:*"],
});

/**
 * Sets the headers of the page that submits a saved form, and of the redirect that does. The browser then
 * sends the same Origin and Referer as the form's own page, for applications that compare them. With
 * "no-referrer" a browser would post `Origin: null` (Fetch Standard, "append a request Origin header").
 */
export function setFormResponseHeaders(res: Response): void {
  setResponseHeaders(res);
  res.setHeader("Referrer-Policy", "same-origin");
}
