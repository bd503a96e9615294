import type { Request } from "express";

/** How long a token is still good for. Everything that a page may know about one. */
export interface TokenLife {
  /** Its wire name. */
  readonly token: "access_token" | "refresh_token" | "id_token";
  /** Null: the portal does not say when it ends. */
  readonly secondsLeft: number | null;
  /** From its issue to its end, in seconds; null likewise. */
  readonly secondsInAll: number | null;
}

/** The tokens that the person of this request has. */
export async function tokenLives(req: Request): Promise<TokenLife[]> {
  const { claims } = req.portal;
  const tokens = await req.portal.tokens();
  if (!claims || !tokens) return [];

  // Both tokens come with the same answer, so the ID token's time of issue is the access token's as well.
  const issuedAt = claims.iat;
  const life = (token: TokenLife["token"], endsAt: number | undefined): TokenLife => {
    if (endsAt === undefined) return { token, secondsLeft: null, secondsInAll: null };
    const secondsLeft = Math.max(0, Math.round(endsAt - Date.now() / 1000));
    return { token, secondsLeft, secondsInAll: Math.max(secondsLeft, endsAt - (issuedAt ?? endsAt)) };
  };

  return [
    life("access_token", tokens.expires_at),
    ...(tokens.refresh_token === undefined ? [] : [life("refresh_token", undefined)]),
    ...(tokens.id_token === undefined ? [] : [life("id_token", claims.exp)]),
  ];
}
