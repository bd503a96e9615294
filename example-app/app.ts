// A complete app: headers, login, routes, errors. The README has the shortest app.

import express, { type Express } from "express";
import {
  type Hooks,
  type PortalAuthOptions,
  portalAuth,
  portalErrors,
  requireAuth,
} from "express-portal-auth";
import { inspector } from "express-portal-auth/inspector";
import helmet from "helmet";
import { renderAccountPage } from "./pages/account.js";
import { renderHomePage } from "./pages/home.js";
import { renderNotFoundPage } from "./pages/not-found.js";
import { renderSessionsPage } from "./pages/sessions.js";
import { findPublicFolder } from "./public-folder.js";
import { tokenCheck } from "./token-check.js";
import { getTokenFacts } from "./token-facts.js";
import { fetchUserInfo } from "./user-info.js";

declare module "express-session" {
  interface SessionData {
    /** Time of the user's previous sign-in, in milliseconds since 1970. */
    lastVisit?: number;
  }
}

const INSPECTOR_PATH = "/portal-inspector";

export interface ExampleApp {
  readonly app: Express;
  /** Returns the URL that opens the inspector once, for an app at this URL; undefined in production. */
  getInspectorLink(appUrl: string | URL): string | undefined;
  /** Closes the connection to the session store. */
  close(): Promise<void>;
}

/** Creates the application. Omitted options come from the environment: PORTAL_ISSUER and so on. */
export function createApp(options: PortalAuthOptions = {}): ExampleApp {
  const app = express();
  const auth = portalAuth({
    routes: { session: "/session" }, // reports the remaining time of the session to the account page
    ...options,
    hooks: { ...createHooks(), ...options.hooks },
  });

  // 1. Headers. Pages load only files of this app. They contain no inline scripts and no inline styles.
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          scriptSrc: ["'self'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'"],
          connectSrc: ["'self'"],
          // Signing out posts to this app, which then redirects to the provider with a page.
          formAction: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
          requireTrustedTypesFor: ["'script'"],
        },
      },
      xFrameOptions: { action: "deny" }, // for old browsers without frame-ancestors
    }),
  );
  app.use(express.static(findPublicFolder(), { index: false }));

  // 2. Login: req.portal on every request, and the routes /login, /callback, /logout and /session.
  // It also provides the session, req.session. Sessions are stored in memory, or in the Redis or PostgreSQL
  //    of SESSION_STORE_URL. An app with its own express-session mounts it before this line.
  app.use(auth);
  const isProduction = process.env["NODE_ENV"]?.trim().toLowerCase() === "production";
  const inspectorRouter = isProduction ? undefined : inspector(); // for developers, only on this machine
  if (inspectorRouter) app.use(INSPECTOR_PATH, inspectorRouter);

  // 3. Routes of the app. Caches must not store personal pages, or these could be seen after signing out.
  app.use((_req, res, next) => {
    res.set("Cache-Control", "no-store");
    next();
  });

  app.get("/", (req, res) => {
    res.send(renderHomePage({ user: req.portal.claims, lastVisit: req.session.lastVisit }));
  });

  app.get("/account", requireAuth(), async (req, res) => {
    res.send(
      renderAccountPage({
        user: req.portal.claims,
        tokens: await getTokenFacts(req),
        hasInspector: inspectorRouter !== undefined,
      }),
    );
  });

  // The user's sessions. With csrf, only pages of this app can end a session.
  app.get("/sessions", requireAuth(), async (req, res) => {
    res.send(renderSessionsPage({ user: req.portal.claims, sessions: await req.portal.sessions() }));
  });

  app.post("/sessions/end", requireAuth({ csrf: true }), express.urlencoded(), async (req, res) => {
    await req.portal.endSession(String(req.body.id));
    res.redirect(303, "/sessions");
  });

  app.post("/sessions/end-all", requireAuth({ csrf: true }), async (req) => {
    await req.portal.logout({ everywhere: true });
  });

  // Responses contain facts about the tokens, never the tokens themselves.
  app.get("/api/me", requireAuth(), async (req, res) => {
    res.json({ claims: req.portal.claims, ...(await getTokenFacts(req)) });
  });

  app.get("/api/token-check", tokenCheck);

  // Uses the access token. The guard refreshes an expired token first.
  app.get("/api/userinfo", requireAuth({ freshToken: true }), async (req, res) => {
    const userinfo = await req.portal.userinfo();
    res.json({ userinfo, ...(await getTokenFacts(req)) });
  });

  app.use((req, res) => {
    res.status(404).send(renderNotFoundPage({ user: req.portal.claims }));
  });

  // 4. Errors, for example of a provider that is unreachable while a handler waits for it.
  app.use(portalErrors());

  return {
    app,
    getInspectorLink: (appUrl) => inspectorRouter?.link(new URL(`${INSPECTOR_PATH}/`, appUrl)),
    async close() {
      inspectorRouter?.close();
      await auth.close();
    },
  };
}

function createHooks(): Hooks {
  const visits = new Map<string, number>(); // a real app has a database

  return {
    /**
     * Runs after the ID token is verified and before the session is created. An app looks up the user here,
     * and throws if the user may not sign in.
     */
    async onLogin(context) {
      const { sub } = context.claims;
      const lastVisit = visits.get(sub);
      if (lastVisit !== undefined) context.session.lastVisit = lastVisit;
      visits.set(sub, Date.now());
      // The ID token of the Tencent portal has no name. Verified claims win over fetched ones.
      context.claims = { ...(await fetchUserInfo(context)), ...context.claims };
    },
  };
}
