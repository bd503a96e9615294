import type { Request, Response } from "express";
import type { PageRenderer } from "./page-renderer.js";

/**
 * Answers with a page that leads on by itself, without a script. It stands in for a redirect in two cases:
 *
 * - Another site has led here. Browsers keep SameSite=Strict cookies back after that, at each redirect that follows. They
 *   send them to the address that our own page leads to.
 * - A form was posted and the address is at another origin. See isFormPost().
 *
 * @param to an address of this site, or of the portal
 */
export async function sendInterstitial(
  pages: PageRenderer,
  req: Request,
  res: Response,
  to: string,
): Promise<void> {
  res.setHeader("Refresh", `0; url=${to}`); // HTML Living Standard, section 7.5.1: as the page's own wish, whoever renders it
  await pages.send(req, res, ({ titles, labels }) => ({
    kind: "go_on",
    title: titles.goingOn,
    text: "",
    actions: [{ label: labels.goOn, href: to }],
  }));
}
