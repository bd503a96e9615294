import type { Request } from "express";
import type { Hooks, LoginContext } from "../contract/hooks.js";
import { callHook } from "../hooks/call-hook.js";
import { callOnTokens } from "../hooks/call-on-tokens.js";
import { assertStorable, createHookError } from "../hooks/hook-result.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import type { VerifiedLogin } from "../provider/exchange-code.js";
import { findReservedKey } from "../session/reserved-keys.js";

/** A verified login with the changes of the application's hooks. */
export interface AcceptedLogin extends VerifiedLogin {
  readonly return_to: string;
  /** The content that onLogin has added to the session. */
  readonly extra: LoginContext["session"];
}

/** The facts about a login that onLogin gets beside the verified tokens. */
interface LoginDetails {
  /** The path that the user goes to next, unless a hook changes it. */
  readonly requested: string;
  /** The start page. It is used if a hook returns a URL of another site. */
  readonly home: string;
  readonly members: Readonly<Record<string, string>> | undefined;
}

/**
 * Runs the hooks onTokens and onLogin before anything is stored. The application can change the tokens, the
 * claims, the session's content and the return address, or reject the login.
 *
 * @returns the login with these changes. A return address on another site becomes the start page.
 * @throws PortalAuthError the one that a hook threw. `hook_failed` in these cases:
 *   - A hook threw any other error.
 *   - onTokens returned invalid tokens.
 *   - onLogin changed `claims.sub`, wrote a reserved session key, or added content that cannot be stored.
 *   - A hook has sent a response.
 */
export async function runHooks(
  hooks: Hooks,
  verified: VerifiedLogin,
  req: Request,
  { requested, home, members }: LoginDetails,
): Promise<AcceptedLogin> {
  const { claims, authentication } = verified;
  const context = { req, grant: "authorization_code", claims } as const;
  const tokens = await callOnTokens(hooks, verified.tokens, context);
  const login: LoginContext = {
    req,
    claims: { ...claims },
    tokens,
    authorizationResponse: Object.assign(Object.create(null), members), // so that no name is inherited
    returnTo: requested,
    session: {},
  };
  await callHook("onLogin", () => hooks.onLogin?.(login));
  await checkLogin(login, verified, req);
  return {
    tokens,
    claims: login.claims,
    authentication,
    return_to: sanitizeReturnTo(login.returnTo, home),
    extra: login.session,
  };
}

/** @throws PortalAuthError `hook_failed` */
async function checkLogin(login: LoginContext, { claims }: VerifiedLogin, req: Request): Promise<void> {
  await callHook("onLogin", () => {
    assertStorable("onLogin", "claims", login.claims);
    assertStorable("onLogin", "session", login.session);
  });
  if (login.claims.sub !== claims.sub) throw createHookError("onLogin changed or removed claims.sub");
  const reserved = findReservedKey(Object.keys(login.session));
  if (reserved) throw createHookError(`onLogin put ${reserved} into the session: the name is reserved`);
  if (req.res?.headersSent) throw createHookError("a hook answered the request. To reject a login, throw.");
}
