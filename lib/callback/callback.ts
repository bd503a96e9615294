import type { Request } from "express";
import { answerError } from "../answer/answer-error.js";
import { redirect } from "../answer/redirect.js";
import { PortalAuthError } from "../errors.js";
import { callHook, type Hooks, type LoginContext } from "../hooks.js";
import { returnTo } from "../login/return-to.js";
import type { Transaction } from "../login/transaction.js";
import { answersOf, type Parts, type Visit } from "../parts.js";
import type { Portal } from "../portal/discover.js";
import { type AuthorizationResponse, checkResponse, exchange, type Verified } from "../portal/exchange.js";
import { checkCookieCanBeSet } from "../session/own-session.js";
import { beginSession, joinSession } from "../session/session.js";
import { createOnce } from "./once.js";
import { readResponse } from "./response.js";

interface Finished {
  readonly sessionId: string;
  readonly return_to: string;
}

/** GET /callback, and POST for `response_mode=form_post`. */
export function callbackStep(parts: Parts) {
  const { settings, transactions, getPortal } = parts;
  const once = createOnce<Finished>();

  return async function callback({ req, res, mount }: Visit): Promise<void> {
    const response = await readResponse(req); // one of each parameter, or refused
    const portal = await getPortal(); // before anything is spent: a portal that is down costs nobody their login
    const taken = await transactions.take(req, res, response.state); // begun in this browser, not long ago
    if (taken.kind === "spent") return redirect(req, res, 303, taken.return_to);
    const { id, transaction } = taken;
    try {
      const { sessionId, return_to } = await once(id, () => finish(req, portal, response, transaction));
      await joinSession(req, sessionId);
      if (return_to !== transaction.return_to) await transactions.redirectLater(res, transaction, return_to);
      redirect(req, res, 303, return_to);
    } catch (error) {
      await answerError(req, res, error, answersOf(parts, mount, transaction.return_to));
    }
  };

  async function finish(req: Request, portal: Portal, response: AuthorizationResponse, transaction: Transaction) {
    checkCookieCanBeSet(req);
    const { code } = checkResponse(portal, response); // iss, error
    const verified = await exchange(portal, code, transaction); // the code for verified tokens
    const { return_to, ...person } = await callHooks(settings.hooks, verified, req, transaction);
    // last, as it changes the session id: what came before must have held
    const sessionId = await beginSession(req, { ...person, keep: settings.keepSessionKeys });
    return { sessionId, return_to };
  }
}

interface Person extends Verified {
  readonly return_to: string;
  readonly extra: LoginContext["session"];
}

/** Lets the application change what is kept, or refuse. */
async function callHooks(hooks: Hooks, verified: Verified, req: Request, { return_to }: Transaction): Promise<Person> {
  const { onTokens, onLogin } = hooks;
  const tokens = (await callHook("onTokens", () => tokensHook(onTokens, verified, req))) ?? verified.tokens;
  if (typeof tokens.access_token !== "string" || tokens.access_token === "")
    throw new PortalAuthError("hook_failed", { detail: "onTokens returned something without an access_token" });
  const context: LoginContext = { req, claims: { ...verified.claims }, tokens, returnTo: return_to, session: {} };
  await callHook("onLogin", () => onLogin?.(context));
  if (context.claims?.sub !== verified.claims.sub)
    throw new PortalAuthError("hook_failed", { detail: "onLogin changed or removed claims.sub" });
  return { tokens, claims: context.claims, return_to: returnTo(context.returnTo), extra: context.session };
}

function tokensHook(onTokens: Hooks["onTokens"], { tokens, claims }: Verified, req: Request) {
  return onTokens?.({ ...tokens }, { req, grant: "authorization_code", claims });
}
