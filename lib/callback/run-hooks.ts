import type { Request } from "express";
import { callHook, callOnTokens, type Hooks, type LoginContext } from "../contract/hooks.js";
import { assertStorable, createHookError } from "../hooks/hook-result.js";
import { sanitizeReturnTo } from "../http/sanitize-return-to.js";
import type { Verified } from "../provider/exchange-code.js";
import { reservedKey } from "../session/reserved-keys.js";

/** The verified person as the application wants to keep them. */
export interface AcceptedLogin extends Verified {
  readonly return_to: string;
  readonly extra: LoginContext["session"];
}

/** What the callback knows of a login beside the verified tokens. */
interface LoginDetails {
  /** Where the user goes next, unless a hook says otherwise. */
  readonly requested: string;
  /** The start page: the user goes there if a hook names an address of another site. */
  readonly home: string;
  readonly members: Readonly<Record<string, string>> | undefined;
}

/**
 * Lets the application change what is kept, or refuse; nothing has been stored yet.
 *
 * @throws PortalAuthError what a hook threw, or `hook_failed` for what it must not do
 */
export async function runHooks(
  hooks: Hooks,
  verified: Verified,
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
    authorizationResponse: Object.assign(Object.create(null), members), // no name in it is inherited
    returnTo: requested,
    session: {},
  };
  await callHook("onLogin", () => hooks.onLogin?.(login));
  await callHook("onLogin", () => {
    assertStorable("onLogin", "claims", login.claims);
    assertStorable("onLogin", "session", login.session);
  });
  if (login.claims.sub !== claims.sub) throw createHookError("onLogin changed or removed claims.sub");
  const reserved = reservedKey(Object.keys(login.session));
  if (reserved) throw createHookError(`onLogin put ${reserved} into the session: the name is taken`);
  if (req.res?.headersSent) throw createHookError("a hook answered the request: to refuse, throw");
  return {
    tokens,
    claims: login.claims,
    authentication,
    return_to: sanitizeReturnTo(login.returnTo, home),
    extra: login.session,
  };
}
