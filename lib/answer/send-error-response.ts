import type { Request, Response } from "express";
import type { Hooks } from "../contract/hooks.js";
import type { Action, Page } from "../contract/page-parts.js";
import { ENGLISH } from "../errors/languages/english.js";
import type { Words } from "../errors/languages/words.js";
import type { PortalAuthError } from "../errors/portal-auth-error.js";
import { toPortalAuthError } from "../errors/to-portal-auth-error.js";
import { callHook } from "../hooks/call-hook.js";
import { shouldSendPage } from "./client-kind.js";
import { consoleLog, createRequestId, findSharedRequestId, type Log, logFailure } from "./log.js";
import { defaultPageRenderer, type PageRenderer } from "./page-renderer.js";
import { createProblem } from "./problem.js";
import { setResponseHeaders } from "./response-headers.js";
import { send } from "./send.js";
import { closeConnectionIfBodyUnread } from "./unread-body.js";

export interface ErrorResponseOptions {
  readonly hooks?: Hooks;
  readonly log?: Log;
  readonly pages?: PageRenderer;
  /** Where a person can log in, when there is such a route. */
  readonly login?: string | undefined;
  /** The application's start page, as browsers see it. Default "/". */
  readonly startPage?: string;
  /** The site as people should reach it, where that is known: scheme, host and port. */
  readonly origin?: string;
  /** Whether it was a login that failed. Default true. */
  readonly isLogin?: boolean;
  /** The method of a request that a guard rejects because the user must sign in first. */
  readonly guardedMethod?: string;
  /** The address that was asked for, where asking again may help. */
  readonly retry?: string | undefined;
  /** Where to sign out, for who may do so and come back as somebody else. */
  readonly logout?: string | undefined;
}

/** Answers a failure: the onError hook first, then a page for a person or problem+json for a script. */
export async function sendErrorResponse(
  req: Request,
  res: Response,
  thrown: unknown,
  options: ErrorResponseOptions = {},
): Promise<void> {
  const { hooks, log = consoleLog, pages = defaultPageRenderer, login } = options;
  const error = toPortalAuthError(thrown);
  const loggedId = findSharedRequestId(error);
  const requestId = loggedId ?? createRequestId();
  if (loggedId === undefined) logFailure(log, error, requestId);
  if (hooks?.onError) {
    await callHook("onError", () => hooks.onError?.(error, { req, res, requestId })).catch((hookError) =>
      logFailure(log, toPortalAuthError(hookError), requestId),
    );
  }
  if (res.headersSent || res.writableEnded) return;
  res.statusCode = error.status;
  closeConnectionIfBodyUnread(req, res);
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  if (shouldSendPage(req))
    return pages.send(req, res, (words) => createErrorPage(words, error, requestId, options));
  setResponseHeaders(res);
  const title = getUserMessage(error, pages.chooseWords(req));
  send(res, "application/problem+json", JSON.stringify(createProblem(error, title, requestId, login)));
}

function createErrorPage(
  words: Words,
  error: PortalAuthError,
  request_id: string,
  options: ErrorResponseOptions,
): Omit<Page, "lang"> {
  const { retry } = options;
  const { code, status } = error;
  // who came by http would come by http again
  const origin = code === "login_over_http" ? (options.origin ?? "") : "";
  const login = options.login === undefined ? undefined : origin + options.login;
  const { labels } = words;
  const actions: Action[] = [];
  if (login !== undefined) actions.push({ label: chooseSignInLabel(error, words), href: login });
  if (retry !== undefined && status === 503) actions.push({ label: labels.tryAgain, href: retry });
  actions.push({ label: labels.startPage, href: options.startPage ?? "/" });
  if (options.logout !== undefined) actions.push({ label: labels.signOut, href: options.logout });
  const footnote = `${code} · ${labels.request} ${request_id}`;
  const isFormLost = options.guardedMethod !== undefined && !["GET", "HEAD"].includes(options.guardedMethod);
  const text = isFormLost
    ? joinSentences(getUserMessage(error, words), words.formNotSent)
    : getUserMessage(error, words);
  return {
    kind: "failure",
    title: chooseTitle(error, words, options),
    text,
    actions,
    code,
    status,
    request_id,
    footnote,
  };
}

/** Chinese has no space between sentences. */
const joinSentences = (one: string, next: string): string => one + (one.endsWith("。") ? "" : " ") + next;

/** What a hook says is in the application's own words. */
const getUserMessage = ({ code, sentence }: PortalAuthError, { sentences }: Words): string =>
  sentence === ENGLISH.sentences[code] ? sentences[code] : sentence;

/** Who has not been at the portal yet, or changed their mind there, has nothing to do again. */
function chooseSignInLabel({ code, status }: PortalAuthError, { labels }: Words): string {
  if (status === 503) return labels.tryAgain;
  return code === "login_denied" || code === "login_required" ? labels.signIn : labels.signInAgain;
}

function chooseTitle(
  { code, status }: PortalAuthError,
  { titles }: Words,
  options: ErrorResponseOptions,
): string {
  const { isLogin = true, guardedMethod } = options;
  if (guardedMethod !== undefined && status === 401) return titles.signInNeeded;
  if (code === "not_permitted" || code === "insufficient_scope") return titles.notOpen;
  if (isLogin && status !== 503)
    return code === "login_denied" ? titles.signInCancelled : titles.signInFailed;
  return status === 503 ? titles.notNow : titles.didNotWork;
}
