import type { Response } from "express";
import { ourHeaders } from "./headers.js";
import { renderPage } from "./page.js";
import { send } from "./send.js";

/**
 * A page that goes on by itself. What another site has led to comes without SameSite=Strict cookies, however many
 * redirects follow; what our own page leads to comes with them.
 *
 * @param to an address of this site
 */
export function goOn(res: Response, to: string): void {
  ourHeaders(res);
  res.setHeader("Refresh", `0; url=${to}`); // HTML Living Standard, section 7.5.1: as the page's own wish, whoever renders it
  const page = renderPage({ title: "One moment", text: "", actions: [{ label: "Go on", href: to }] });
  send(res, "text/html; charset=utf-8", page);
}
