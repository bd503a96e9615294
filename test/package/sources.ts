const expectTyped = (name: string) => `
  // @ts-expect-error ${name} has a type: it is not any
  req.${name}.unknownMember;`;

/**
 * An application with other packages that add members to the request. It is not a file, because these
 * packages are installed only in the project of the test.
 */
export const NEIGHBOURS = `
import express from "express";
import { auth as bearer } from "express-oauth2-jwt-bearer";
import { auth as openid } from "express-openid-connect";
import session from "express-session";
import { portalAuth, requireAuth } from "express-portal-auth";

declare module "express-session" {
  interface SessionData {
    cart: string[];
  }
}

declare global {
  namespace Express {
    interface User {
      nickname: string;
    }
  }
}

const app = express();
app.use(session({ secret: "not-a-secret", resave: false, saveUninitialized: false }));
app.use(openid(), bearer(), portalAuth({ hooks: { onLogin: (login) => { login.session.cart = []; } } }));
app.get("/", requireAuth(), (req, res) => {
  const portalUser: string | undefined = req.portal.claims?.sub ?? req.session.portal?.claims.sub;
  const isAuthenticated: boolean = req.oidc.isAuthenticated();
  const bearerUser: string | undefined = req.auth?.payload.sub;
  const passportUser: string | undefined = req.user?.nickname;
  const cart: string[] | undefined = req.session.cart;
${["portal", "oidc", "auth?", "user?", "session"].map(expectTyped).join("\n")}
  res.json({ portalUser, isAuthenticated, bearerUser, passportUser, cart });
});
`;

/** Returns a program that compiles only if the error codes of the types are exactly these. */
export function createExhaustiveSwitch(codes: readonly string[]): string {
  const [first, ...others] = codes;
  const cases = others.map((code) => `    case "${code}": return 0;`).join("\n");
  return `
import type { PortalAuthErrorCode } from "express-portal-auth";

export function exhaustive(code: PortalAuthErrorCode): number {
  switch (code) {
    case "${first}": return 0;
${cases}
    default: { const unreachable: never = code; return unreachable; }
  }
}

export function withMissingCase(code: PortalAuthErrorCode): number {
  switch (code) {
${cases}
    // @ts-expect-error ${first} has no case
    default: { const unreachable: never = code; return unreachable; }
  }
}
`;
}
