import type { Request, Response } from "express";
import type { Pages } from "./pages.js";

/**
 * A page that goes on by itself. What another site has led to comes without SameSite=Strict cookies, however many
 * redirects follow; what our own page leads to comes with them.
 *
 * @param to an address of this site, or of the portal
 */
export async function goOn(pages: Pages, req: Request, res: Response, to: string): Promise<void> {
  res.setHeader("Refresh", `0; url=${to}`); // HTML Living Standard, section 7.5.1: as the page's own wish, whoever renders it
  await pages.send(req, res, ({ titles, labels }) => ({
    kind: "go_on",
    title: titles.goingOn,
    text: "",
    actions: [{ label: labels.goOn, href: to }],
  }));
}
