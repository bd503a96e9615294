import type { Request, Response } from "express";
import type { Hooks } from "../contract/hooks.js";
import type { Action, Page } from "../contract/page-parts.js";
import { ENGLISH } from "../errors/page-texts/english.js";
import type { Words } from "../errors/page-texts/words.js";
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

/** The context of an error response. */
export interface ErrorResponseOptions {
  readonly hooks?: Hooks;
  readonly log?: Log;
  readonly pages?: PageRenderer;
  /** The URL where the user can sign in, if there is such a route. */
  readonly login?: string | undefined;
  /** The application's start page, as browsers see it. Default "/". */
  readonly startPage?: string;
  /** The public origin of the site, if it is known: scheme, host and port. */
  readonly origin?: string;
  /** Whether a login failed. Default true. */
  readonly isLogin?: boolean;
  /** The method of a request that a guard rejects because the user must sign in first. */
  readonly guardedMethod?: string;
  /** The requested URL, if repeating the request may help. */
  readonly retry?: string | undefined;
  /** The URL to sign out, for users who may want to sign in as another user. */
  readonly logout?: string | undefined;
}

/**
 * Responds to a failure. Calls the onError hook first, then sends a page to a browser or problem+json to a
 * script.
 */
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
  // A relative link would lead to http again.
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

/** Joins two sentences. Chinese has no space between them. */
const joinSentences = (one: string, next: string): string => one + (one.endsWith("。") ? "" : " ") + next;

/** Returns the user message. A message that a hook has set is not translated. */
const getUserMessage = ({ code, sentence }: PortalAuthError, { sentences }: Words): string =>
  sentence === ENGLISH.sentences[code] ? sentences[code] : sentence;

/** Returns "Sign in", or "Sign in again" after an attempt that failed. */
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
