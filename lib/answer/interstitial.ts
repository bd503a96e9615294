import type { Request, Response } from "express";
import type { PageRenderer } from "./page-renderer.js";

/**
 * Sends a page that continues automatically, without a script. It replaces a redirect in two cases:
 *
 * - Another site led the browser here. Then browsers omit SameSite=Strict cookies, also at each redirect that
 *   follows. They send them if a page of this site leads to the URL.
 * - A form was posted, and the URL is at another origin. See isFormPost().
 *
 * @param to a URL of this site, or of the provider
 */
export async function sendInterstitial(
  pages: PageRenderer,
  req: Request,
  res: Response,
  to: string,
): Promise<void> {
  // HTML Living Standard, section 7.5.1. The header also works for pages that the application renders.
  res.setHeader("Refresh", `0; url=${to}`);
  await pages.send(req, res, ({ titles, labels }) => ({
    kind: "redirect",
    title: titles.redirecting,
    text: "",
    actions: [{ label: labels.continue, href: to }],
  }));
}
