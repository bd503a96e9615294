import type { Request, Response } from "express";
import type { Page, RenderPage } from "../contract/page-parts.js";
import type { PartialWords, Words } from "../errors/page-texts/words.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { callHook } from "../hooks/call-hook.js";
import { type ChooseWords, createChooseWords } from "./choose-words.js";
import { consoleLog, type Log, logFailure } from "./log.js";
import { renderPage } from "./page-html.js";
import { setResponseHeaders } from "./response-headers.js";
import { send } from "./send.js";

/** Sends pages in the language of the browser. */
export interface PageRenderer {
  /** Returns the texts in the language of this browser. */
  readonly chooseWords: ChooseWords;
  /** Sends a page. Its status must be set before. */
  send(
    req: Request,
    res: Response,
    page: (words: Words) => Omit<Page, "lang">,
    setHeaders?: (res: Response) => void,
  ): Promise<void>;
}

interface PageRendererOptions {
  readonly languages: Readonly<Record<string, PartialWords>>;
  /** The application's renderer, instead of the default. */
  readonly render: RenderPage | undefined;
  readonly log: Log;
}

/** Creates the renderer of a portalAuth(). */
export function createPageRenderer({ languages, render, log }: PageRendererOptions): PageRenderer {
  const chooseWords = createChooseWords(languages);

  /** If the renderer of the application fails, the default page is used, and the error is logged. */
  async function html(page: Page, req: Request, res: Response): Promise<string> {
    if (!render) return renderPage(page);
    try {
      const rendered = await callHook("renderPage", () => render(page, { req, res }));
      if (typeof rendered !== "string")
        throw new PortalAuthError("hook_failed", { detail: "renderPage did not return text" });
      return rendered;
    } catch (error) {
      logFailure(log, error as PortalAuthError, page.request_id);
      return renderPage(page);
    }
  }

  return {
    chooseWords,
    async send(req, res, createPage, setHeaders = setResponseHeaders) {
      const words = chooseWords(req);
      setHeaders(res);
      res.setHeader("Content-Language", words.lang);
      res.vary("Accept-Language");
      const body = await html({ ...createPage(words), lang: words.lang }, req, res);
      if (!res.headersSent) send(res, "text/html; charset=utf-8", body);
    },
  };
}

/** Renders pages for requests that no portalAuth() has seen. */
export const defaultPageRenderer: PageRenderer = createPageRenderer({
  languages: {},
  render: undefined,
  log: consoleLog,
});
