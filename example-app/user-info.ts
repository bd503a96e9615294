import type { Claims, LoginContext } from "express-portal-auth";

const TIMEOUT_MS = 5_000;

/**
 * Fetches the user's name and other claims from /userinfo (OpenID Connect Core 1.0, section 5.3). If the
 * provider does not respond, the login continues without them.
 */
export async function fetchUserInfo({ claims, tokens }: LoginContext): Promise<Partial<Claims>> {
  try {
    const response = await fetch(`${claims.iss?.replace(/\/$/, "")}/userinfo`, {
      headers: { Authorization: `Bearer ${tokens.access_token}` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const userInfo = response.ok ? ((await response.json()) as Partial<Claims>) : {};
    // Section 5.3.2: another sub is the response of another user.
    return userInfo.sub === claims.sub ? userInfo : {};
  } catch {
    return {};
  }
}
