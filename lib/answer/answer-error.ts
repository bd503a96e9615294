import type { Request, Response } from "express";
import { callHook, type Hooks } from "../contract/hooks.js";
import type { Action, Page, Words } from "../contract/page-parts.js";
import { failures, type PortalAuthError } from "../errors/portal-auth-error.js";
import { asPortalAuthError } from "../errors/to-portal-auth-error.js";
import { wantsPage } from "./client.js";
import { consoleLog, type Log, logFailure, newRequestId, sharedIdOf } from "./log.js";
import { type Pages, plainPages } from "./page-renderer.js";
import { problemOf } from "./problem.js";
import { ourHeaders } from "./response-headers.js";
import { send } from "./send.js";
import { closeIfUnread } from "./unread-body.js";

export interface ErrorAnswer {
  readonly hooks?: Hooks;
  readonly log?: Log;
  readonly pages?: Pages;
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
export async function answerError(
  req: Request,
  res: Response,
  thrown: unknown,
  answer: ErrorAnswer = {},
): Promise<void> {
  const { hooks, log = consoleLog, pages = plainPages, login } = answer;
  const error = asPortalAuthError(thrown);
  const loggedId = sharedIdOf(error);
  const requestId = loggedId ?? newRequestId();
  if (loggedId === undefined) logFailure(log, error, requestId);
  if (hooks?.onError) {
    await callHook("onError", () => hooks.onError?.(error, { req, res, requestId })).catch((failed) =>
      logFailure(log, asPortalAuthError(failed), requestId),
    );
  }
  if (res.headersSent || res.writableEnded) return;
  res.statusCode = error.status;
  closeIfUnread(req, res);
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  if (wantsPage(req)) return pages.send(req, res, (words) => pageOf(words, error, requestId, answer));
  ourHeaders(res);
  const title = sentenceOf(error, pages.wordsOf(req));
  send(res, "application/problem+json", JSON.stringify(problemOf(error, title, requestId, login)));
}

function pageOf(
  words: Words,
  error: PortalAuthError,
  request_id: string,
  answer: ErrorAnswer,
): Omit<Page, "lang"> {
  const { retry } = answer;
  const { code, status } = error;
  // who came by http would come by http again
  const origin = code === "login_over_http" ? (answer.origin ?? "") : "";
  const login = answer.login === undefined ? undefined : origin + answer.login;
  const { labels } = words;
  const actions: Action[] = [];
  if (login !== undefined) actions.push({ label: signInLabel(error, words), href: login });
  if (retry !== undefined && status === 503) actions.push({ label: labels.tryAgain, href: retry });
  actions.push({ label: labels.startPage, href: answer.startPage ?? "/" });
  if (answer.logout !== undefined) actions.push({ label: labels.signOut, href: answer.logout });
  const footnote = `${code} · ${labels.request} ${request_id}`;
  const isUnsent = answer.guardedMethod !== undefined && !["GET", "HEAD"].includes(answer.guardedMethod);
  const text = isUnsent
    ? joinSentences(sentenceOf(error, words), words.formNotSent)
    : sentenceOf(error, words);
  return {
    kind: "failure",
    title: titleOf(error, words, answer),
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
const sentenceOf = ({ code, sentence }: PortalAuthError, { sentences }: Words): string =>
  sentence === failures[code].sentence ? sentences[code] : sentence;

/** Who has not been at the portal yet, or changed their mind there, has nothing to do again. */
function signInLabel({ code, status }: PortalAuthError, { labels }: Words): string {
  if (status === 503) return labels.tryAgain;
  return code === "login_denied" || code === "login_required" ? labels.signIn : labels.signInAgain;
}

function titleOf({ code, status }: PortalAuthError, { titles }: Words, answer: ErrorAnswer): string {
  const { isLogin = true, guardedMethod } = answer;
  if (guardedMethod !== undefined && status === 401) return titles.signInNeeded;
  if (code === "not_permitted" || code === "insufficient_scope") return titles.notOpen;
  if (isLogin && status !== 503)
    return code === "login_denied" ? titles.signInCancelled : titles.signInFailed;
  return status === 503 ? titles.notNow : titles.didNotWork;
}
