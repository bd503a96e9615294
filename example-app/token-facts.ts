import type { Request } from "express";

export type TokenName = "access_token" | "refresh_token" | "id_token";

export interface TokenLifetime {
  readonly seconds_left: number;
  /** From its issue to its end. */
  readonly seconds_in_all: number;
}

/** Everything that a page may know about a person's tokens, as the API sends it. */
export interface TokenFacts {
  /** 1 came with the login, and each refresh adds one. The session keeps the number: all processes count together. */
  readonly token_set: number;
  /** When this set came, in epoch seconds. */
  readonly obtained_at: number;
  /** Null: the portal does not say when it ends. */
  readonly lives: Readonly<Partial<Record<TokenName, TokenLifetime | null>>>;
}

/** About the tokens of the person of this request, as they are stored now. For routes behind a guard. */
export async function getTokenFacts(req: Request): Promise<TokenFacts> {
  const tokens = await req.portal.tokens();
  const { claims, session } = { claims: req.portal.claims, session: req.session.portal };
  if (!tokens || !claims || !session) throw new Error("Nobody is logged in: put requireAuth() before this.");

  const { version, obtained_at } = session;
  return {
    token_set: version,
    obtained_at,
    lives: {
      access_token: getLifetime(obtained_at, tokens.expires_at),
      ...(tokens.refresh_token !== undefined && {
        refresh_token: getLifetime(obtained_at, tokens.refresh_expires_at),
      }),
      // that of the login, whose claims the page shows: a refresh may bring another, which nobody reads
      ...(tokens.id_token !== undefined && { id_token: getLifetime(claims.iat, claims.exp) }),
    },
  };
}

/** Both in epoch seconds. Rounded up: a token that a page believes to be dead is dead. */
function getLifetime(issuedAt: number | undefined, endsAt: number | undefined): TokenLifetime | null {
  if (endsAt === undefined) return null;
  const seconds_left = Math.max(0, Math.ceil(endsAt - Date.now() / 1000));
  return { seconds_left, seconds_in_all: Math.max(seconds_left, endsAt - (issuedAt ?? endsAt)) };
}
