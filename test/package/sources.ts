const expectTyped = (name: string) => `
  // @ts-expect-error ${name} has a type: it is not any
  req.${name}.nobodyKnowsThis;`;

/**
 * Packages that put something on the request beside ours, together in one application. Not a file of its own: they are
 * installed in the fresh folder only.
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
app.use(openid(), bearer(), portalAuth({ hooks: { onLogin: (login) => void (login.session.cart = []) } }));
app.get("/", requireAuth(), (req, res) => {
  const ofPortal: string | undefined = req.portal.claims?.sub ?? req.session.portal?.claims.sub;
  const ofOpenid: boolean = req.oidc.isAuthenticated();
  const ofBearer: string | undefined = req.auth?.payload.sub;
  const ofPassport: string | undefined = req.user?.nickname;
  const ofApp: string[] | undefined = req.session.cart;
${["portal", "oidc", "auth?", "user?", "session"].map(expectTyped).join("\n")}
  res.json({ ofPortal, ofOpenid, ofBearer, ofPassport, ofApp });
});
`;

/** A switch that is exhaustive when, and only when, the codes of the types are those of the table. */
export function exhaustiveSwitch(codes: readonly string[]): string {
  const [first, ...others] = codes;
  const cases = others.map((code) => `    case "${code}": return 0;`).join("\n");
  return `
import type { PortalAuthErrorCode } from "express-portal-auth";

export function exhaustive(code: PortalAuthErrorCode): number {
  switch (code) {
    case "${first}": return 0;
${cases}
    default: { const nothingLeft: never = code; return nothingLeft; }
  }
}

export function oneForgotten(code: PortalAuthErrorCode): number {
  switch (code) {
${cases}
    // @ts-expect-error ${first} is left
    default: { const nothingLeft: never = code; return nothingLeft; }
  }
}
`;
}
