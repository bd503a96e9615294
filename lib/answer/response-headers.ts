import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Response } from "express";
import helmet from "helmet";
import { PAGE_STYLE } from "./page-html.js";

/** What Express and the application's own helmet may have set before. */
const REMOVED = ["X-Powered-By", "Cross-Origin-Opener-Policy"];

/** What may be loaded (Content Security Policy), beside what nothing of ours allows. */
type CspDirectives = Readonly<Record<string, readonly string[]>>;

/**
 * Sets the headers of an answer of ours: guarded by helmet, kept in no cache, telling no address to the next site.
 *
 * @param framedBy the origins whose pages may frame it; default none
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
    // it knows no origin but one's own
    frameguard: isFramed ? false : { action: "deny" },
    // a portal whose pages are isolated (COEP) frames nothing else
    crossOriginResourcePolicy: { policy: isFramed ? "cross-origin" : "same-origin" },
    // it would cut window.opener of a login in a popup, at a redirect too (HTML, "obtain an opener policy")
    crossOriginOpenerPolicy: false,
    referrerPolicy: { policy: "no-referrer" },
    // for the whole host, subdomains included: that is for the application to decide
    strictTransportSecurity: false,
  });
  // what helmet sets is the same for every answer, so it is asked once
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

/** Of every answer to people and their programs. */
export const setResponseHeaders = createHeaderSetter({
  styleSrc: [styleHash],
  // Browsers apply form-action to redirects too. A form that was kept goes to the application's route, which may redirect
  // to another origin.
  formAction: ["'self'", "https:", "http://127.0.0.1:*", "http://localhost:*"],
});

/**
 * Of the page that sends a form on, and of the redirect that does so: their address tells nothing, and an application that
 * compares Origin or Referer with its own, against forgery, finds what the form's own page would have sent. With
 * "no-referrer" a browser posts `Origin: null` (Fetch Standard, "append a request Origin header").
 */
export function setFormResponseHeaders(res: Response): void {
  setResponseHeaders(res);
  res.setHeader("Referrer-Policy", "same-origin");
}
