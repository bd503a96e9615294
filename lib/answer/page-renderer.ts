import type { Request, Response } from "express";
import { callHook } from "../contract/hooks.js";
import type { Page, RenderPage, Words, WordsGiven } from "../contract/page-parts.js";
import { PortalAuthError } from "../errors/portal-auth-error.js";
import { createLanguages, type WordsOf } from "./languages/languages.js";
import { consoleLog, type Log, logFailure } from "./log.js";
import { renderPage } from "./page-html.js";
import { ourHeaders } from "./response-headers.js";
import { send } from "./send.js";

/** How we speak to people. */
export interface Pages {
  /** The words of the language that this browser asks for. */
  readonly wordsOf: WordsOf;
  /** Answers with a page, whose status has been set. */
  send(
    req: Request,
    res: Response,
    page: (words: Words) => Omit<Page, "lang">,
    setHeaders?: (res: Response) => void,
  ): Promise<void>;
}

interface PagesOptions {
  readonly languages: Readonly<Record<string, WordsGiven>>;
  /** The application's own, instead of ours. */
  readonly render: RenderPage | undefined;
  readonly log: Log;
}

export function createPages({ languages, render, log }: PagesOptions): Pages {
  const wordsOf = createLanguages(languages);

  /** A page of the application's that cannot be made is no reason to show none. */
  async function html(page: Page, req: Request, res: Response): Promise<string> {
    if (!render) return renderPage(page);
    try {
      const made = await callHook("renderPage", () => render(page, { req, res }));
      if (typeof made !== "string")
        throw new PortalAuthError("hook_failed", { detail: "renderPage gave no text" });
      return made;
    } catch (error) {
      logFailure(log, error as PortalAuthError, page.request_id);
      return renderPage(page);
    }
  }

  return {
    wordsOf,
    async send(req, res, make, setHeaders = ourHeaders) {
      const words = wordsOf(req);
      setHeaders(res);
      res.setHeader("Content-Language", words.lang);
      res.vary("Accept-Language");
      const body = await html({ ...make(words), lang: words.lang }, req, res);
      if (!res.headersSent) send(res, "text/html; charset=utf-8", body);
    },
  };
}

/** Where no portalAuth() is known. */
export const plainPages: Pages = createPages({ languages: {}, render: undefined, log: consoleLog });
