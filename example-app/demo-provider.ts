import { randomBytes } from "node:crypto";
import type { PortalAuthOptions } from "express-portal-auth";
import { startTestProvider, type TestProvider } from "express-portal-auth/testing";

export interface DemoPorts {
  readonly app: number;
  readonly provider: number;
}

/** The options of portalAuth() that the demo provider also needs. */
export interface DemoOptions extends PortalAuthOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly redirectUri: string;
}

/** Returns the options of portalAuth() for the demo provider. */
export function createDemoOptions(ports: DemoPorts): DemoOptions {
  const { SESSION_SECRET, SESSION_SECRET_FILE } = process.env;
  const hasSecret = Boolean(SESSION_SECRET?.trim() || SESSION_SECRET_FILE?.trim());
  const options: DemoOptions = {
    issuer: `http://127.0.0.1:${ports.provider}`,
    profile: "tencent-ciam",
    clientId: "example-app",
    clientSecret: randomBytes(24).toString("base64url"),
    redirectUri: `http://127.0.0.1:${ports.app}/callback`,
    // The default of 30 s is half of a token's lifetime here, so that the page would never show an expired
    // token.
    refreshLeeway: 5,
  };
  // Without a secret in the environment, each start creates a new one, and all users must sign in again.
  return hasSecret ? options : { ...options, secret: randomBytes(32).toString("hex") };
}

/**
 * Starts the demo provider, where the app is registered as at a real one. It saves nothing: after a restart,
 * a session in Redis lasts until its tokens must be refreshed.
 */
export function startDemoProvider(options: DemoOptions, accessTokenSeconds: number): Promise<TestProvider> {
  const { issuer, clientId, clientSecret, redirectUri } = options;
  return startTestProvider({
    clientId,
    clientSecret,
    port: Number(new URL(issuer).port),
    redirectUris: [redirectUri],
    logoutRedirectUris: [new URL("/", redirectUri).href],
    accessTokenSeconds,
    // Strict providers do this: a refresh token that is sent twice ends the session.
    rotateRefreshTokens: true,
  });
}
