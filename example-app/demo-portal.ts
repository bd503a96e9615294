import { randomBytes } from "node:crypto";
import type { PortalAuthOptions } from "express-portal-auth";
import { type Portal, startPortal } from "./portal/portal.js";

export interface DemoPorts {
  readonly app: number;
  readonly portal: number;
}

/** What the app has to know to use the portal that comes with the example. */
export function demoOptions(ports: DemoPorts) {
  return {
    issuer: `http://127.0.0.1:${ports.portal}`,
    profile: "tencent-ciam",
    clientId: "example-app",
    clientSecret: randomBytes(24).toString("base64url"),
    redirectUri: `http://127.0.0.1:${ports.app}/callback`,
    secret: randomBytes(32).toString("hex"), // new at each start: then everybody signs in again
  } as const satisfies PortalAuthOptions;
}

/** The demo portal, with the app registered as the console of a real one would have it. */
export function startDemoPortal(options: ReturnType<typeof demoOptions>): Promise<Portal> {
  const { issuer, clientId, clientSecret, redirectUri } = options;
  return startPortal({
    clientId,
    clientSecret,
    port: Number(new URL(issuer).port),
    redirectUris: [redirectUri],
    logoutRedirectUris: [new URL("/", redirectUri).href],
  });
}
