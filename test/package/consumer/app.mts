// An application that uses every public name, as an ES module. It is compiled, not run.
import express, { type RequestHandler } from "express";
import {
  type Claims,
  type Hooks,
  PortalAuthError,
  type PortalAuthErrorCode,
  type PortalAuthOptions,
  type PortalSession,
  portalAuth,
  type RequestPortal,
  requireAuth,
  type TokenSet,
} from "express-portal-auth";

declare module "express-session" {
  interface SessionData {
    greeting: string;
  }
}

const hooks: Hooks = {
  onTokens: async (tokens, { grant, claims }) => {
    console.log(grant.length, claims.sub);
    return { ...tokens, scope: "openid" };
  },
  onLogin(context) {
    context.session.greeting = `Hello ${context.claims.name ?? context.claims.sub}`;
    // @ts-expect-error the session is typed: the compiler rejects a member that is not declared
    context.session.greting = "Hello";
    if (context.claims.email_verified === false)
      throw new PortalAuthError("login_refused", { sentence: "Please confirm your email address first." });
    context.returnTo = "/account";
  },
  onLogout: ({ claims }) => console.log(claims.sub),
  onError(error, { res, requestId }) {
    const code: PortalAuthErrorCode = error.code;
    if (error.status === 503) res.status(error.status).send(`${code} ${requestId}`);
  },
};

const options: PortalAuthOptions = {
  issuer: "https://portal.example",
  profile: "tencent-ciam",
  clientId: "demo-app",
  clientSecret: "not-a-secret",
  clientAuth: "client_secret_basic",
  redirectUri: "https://app.example/callback",
  authorizationParams: (req) => ({ ui_locales: req.acceptsLanguages()[0], max_age: 3600 }),
  nonce: "optional",
  routes: { login: "/sign-in", logout: false },
  secret: ["0123456789abcdef0123456789abcdef"],
  hooks,
};

// @ts-expect-error the compiler rejects a misspelt option
export const misspelt: PortalAuthOptions = { isuer: "https://portal.example" };

// @ts-expect-error an unknown error code
export const unknownCode = new PortalAuthError("login_reqired");

export const router: RequestHandler = portalAuth(options);
interface MyClaims {
  readonly email: string;
}

const typed = express.Router();
typed.get("/mail/:id", requireAuth<MyClaims>(), (req, res) => {
  const email: string = req.portal.claims.email;
  const { sub } = req.portal.claims;
  const id: string = req.params.id;
  // @ts-expect-error a claim that MyClaims does not declare
  res.json({ email, sub, id, phone: req.portal.claims.email.phone });
});
typed.get("/visitor", (req, res) => {
  // @ts-expect-error the user may not be signed in
  res.json(req.portal.claims.sub);
});

export const guard: RequestHandler = requireAuth({ returnTo: (req) => req.originalUrl });

const app = express();
app.use(router, typed);
app.get("/account", guard, async (req, res) => {
  const portal: RequestPortal = req.portal;
  const sub: string | undefined = req.portal.claims?.sub;
  const tokens: TokenSet | undefined = await req.portal.tokens();
  const session: PortalSession | undefined = req.session.portal;
  const accessToken: string | undefined = req.session.portal?.tokens.access_token;
  const claims: Claims | undefined = session?.claims;
  // @ts-expect-error the type of a claim without a specification is unknown
  const department: string | undefined = claims?.["department"];
  res.json({ sub, tokens, accessToken, department, isAuthenticated: portal.isAuthenticated });
});
app.get("/sign-in-again", async (req, res) => {
  await req.portal.login({ returnTo: "/", authorizationParams: { prompt: "login" } });
  // @ts-expect-error req.portal is not any
  req.portal.lgout();
  res.end();
});
