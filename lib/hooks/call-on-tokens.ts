import type { Hooks, TokensContext } from "../contract/hooks.js";
import type { TokenSet } from "../contract/tokens.js";
import { callHook } from "./call-hook.js";
import { assertStorable, createHookError } from "./hook-result.js";

/**
 * Calls the onTokens hook and returns the tokens to save: those that the hook returned, or else those of the
 * provider.
 *
 * @throws PortalAuthError the one that the hook threw, or `hook_failed` if it returned invalid tokens
 */
export async function callOnTokens(
  hooks: Hooks,
  tokens: TokenSet,
  context: TokensContext,
): Promise<TokenSet> {
  const returned = (await callHook("onTokens", () => hooks.onTokens?.({ ...tokens }, context))) ?? tokens;
  await callHook("onTokens", () => assertTokens(returned));
  // Guards compare the scope. If it were missing, they would assume the requested one, which may exceed the
  // granted one.
  const { scope = tokens.scope, token_type = tokens.token_type } = returned;
  const accepted = { ...returned, token_type };
  return scope === undefined ? accepted : { ...accepted, scope };
}

type MemberType = "text" | "seconds";

const MEMBER_TYPES: Readonly<Record<keyof TokenSet, MemberType>> = {
  access_token: "text",
  token_type: "text",
  refresh_token: "text",
  id_token: "text",
  scope: "text",
  expires_at: "seconds",
  refresh_expires_at: "seconds",
};

const IS_OF_TYPE: Readonly<Record<MemberType, (value: unknown) => boolean>> = {
  text: (value) => typeof value === "string",
  seconds: (value) => Number.isFinite(value),
};

const EXPECTED: Readonly<Record<MemberType, string>> = { text: "text", seconds: "a number of epoch seconds" };

/**
 * Checks the types of the tokens that onTokens returned.
 *
 * @throws PortalAuthError `hook_failed`, with the name of the member
 */
function assertTokens(returned: unknown): asserts returned is TokenSet {
  assertStorable("onTokens", "tokens", returned);
  for (const [name, type] of Object.entries(MEMBER_TYPES)) {
    const value = returned[name];
    if (value !== undefined && !IS_OF_TYPE[type](value))
      throw createHookError(`onTokens: tokens.${name} is not ${EXPECTED[type]}`);
  }
  if (!returned["access_token"]) throw createHookError("onTokens: tokens.access_token is missing");
}
