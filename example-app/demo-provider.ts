import { randomBytes } from "node:crypto";
import type { PortalAuthOptions } from "express-portal-auth";
import { startTestProvider, type TestProvider } from "express-portal-auth/testing";

export interface DemoPorts {
  readonly app: number;
  readonly provider: number;
}

/** What the app has to know to use the portal that comes with the example. */
export function createDemoOptions(ports: DemoPorts) {
  const { SESSION_SECRET, SESSION_SECRET_FILE } = process.env;
  return {
    issuer: `http://127.0.0.1:${ports.provider}`,
    profile: "tencent-ciam",
    clientId: "example-app",
    clientSecret: randomBytes(24).toString("base64url"),
    redirectUri: `http://127.0.0.1:${ports.app}/callback`,
    refreshLeeway: 5, // the usual 30 s would be half of a token's life here, and its bar never run out
    // without one of your own a new one at each start: then everybody signs in again
    ...(!SESSION_SECRET?.trim() &&
      !SESSION_SECRET_FILE?.trim() && { secret: randomBytes(32).toString("hex") }),
  } as const satisfies PortalAuthOptions;
}

/**
 * The demo portal, with the app registered as the console of a real one would have it. It forgets everything when it
 * stops: a session that outlives it, in Redis, lasts until its tokens have to be refreshed.
 */
export function startDemoProvider(
  options: ReturnType<typeof createDemoOptions>,
  accessTokenSeconds: number,
): Promise<TestProvider> {
  const { issuer, clientId, clientSecret, redirectUri } = options;
  return startTestProvider({
    clientId,
    clientSecret,
    port: Number(new URL(issuer).port),
    redirectUris: [redirectUri],
    logoutRedirectUris: [new URL("/", redirectUri).href],
    accessTokenSeconds,
    rotateRefreshTokens: true, // the hard case: who sends a refresh token twice is signed out
  });
}
