import type { Request } from "express";

export type TokenName = "access_token" | "refresh_token" | "id_token";

export interface TokenLifetime {
  readonly seconds_left: number;
  /** From issue to expiry. */
  readonly total_seconds: number;
}

/** The facts about a user's tokens that the API sends to pages. */
export interface TokenFacts {
  /**
   * 1 for the tokens of the login; each refresh adds 1. The number is in the session, so all processes share
   * it.
   */
  readonly token_set: number;
  /** When this set was received, in epoch seconds. */
  readonly obtained_at: number;
  /** Null if the provider does not report the expiry. */
  readonly lifetimes: Readonly<Partial<Record<TokenName, TokenLifetime | null>>>;
}

/** Returns the facts about the user's tokens as they are stored now. For routes behind a guard. */
export async function getTokenFacts(req: Request): Promise<TokenFacts> {
  const tokens = await req.portal.tokens();
  const { claims } = req.portal;
  const session = req.session.portal;
  if (!tokens || !claims || !session)
    throw new Error("The user is not signed in: mount requireAuth() before this handler.");

  const { version, obtained_at } = session;
  const lifetimes: Partial<Record<TokenName, TokenLifetime | null>> = {
    access_token: getLifetime(obtained_at, tokens.expires_at),
  };
  if (tokens.refresh_token !== undefined)
    lifetimes.refresh_token = getLifetime(obtained_at, tokens.refresh_expires_at);
  // The claims are those of the login's ID token. A refresh can bring another ID token, which the app does
  // not use.
  if (tokens.id_token !== undefined) lifetimes.id_token = getLifetime(claims.iat, claims.exp);
  return { token_set: version, obtained_at, lifetimes };
}

/**
 * Both times are in epoch seconds. The result is rounded up, so that a page never shows an expiry too early.
 */
function getLifetime(issuedAt: number | undefined, expiresAt: number | undefined): TokenLifetime | null {
  if (expiresAt === undefined) return null;
  const seconds_left = Math.max(0, Math.ceil(expiresAt - Date.now() / 1000));
  return { seconds_left, total_seconds: Math.max(seconds_left, expiresAt - (issuedAt ?? expiresAt)) };
}
