import type { Claims, LoginContext } from "express-portal-auth";

const LIMIT_MS = 5_000;

/**
 * Name, address and what else the portal tells at /userinfo (OpenID Connect Core 1.0, section 5.3). A name is nice to
 * have: when the portal does not answer, the login goes on without it.
 */
export async function fetchUserInfo({ claims, tokens }: LoginContext): Promise<Partial<Claims>> {
  try {
    const answer = await fetch(`${claims.iss?.replace(/\/$/, "")}/userinfo`, {
      headers: { Authorization: `Bearer ${tokens.access_token}` },
      redirect: "error",
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    const person = answer.ok ? ((await answer.json()) as Partial<Claims>) : {};
    return person.sub === claims.sub ? person : {}; // section 5.3.2: another sub is another person's answer
  } catch {
    return {};
  }
}
