// A complete app, from top to bottom: headers, login, routes, errors. The shortest one is in the README.

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
import { accountPage } from "./pages/account.js";
import { homePage } from "./pages/home.js";
import { notFoundPage } from "./pages/not-found.js";
import { sessionsPage } from "./pages/sessions.js";
import { publicFolder } from "./public-folder.js";
import { tokenCheck } from "./token-check.js";
import { getTokenFacts } from "./token-facts.js";
import { fetchUserInfo } from "./user-info.js";

declare module "express-session" {
  interface SessionData {
    /** When this person signed in the time before, in milliseconds since 1970. */
    lastVisit?: number;
  }
}

const INSPECTOR = "/portal-inspector";

export interface ExampleApp {
  readonly app: Express;
  /** Returns the address that opens the inspector once, of an app at this address; undefined in production. */
  inspectorLink(address: string | URL): string | undefined;
  /** Ends the connection to the session store. */
  close(): Promise<void>;
}

/** The application. What is left out of the options comes from the environment: PORTAL_ISSUER and so on. */
export function createApp(options: PortalAuthOptions = {}): ExampleApp {
  const app = express();
  const login = portalAuth({
    routes: { session: "/session" }, // tells the account page how long the session lasts
    ...options, // for tests
    hooks: { ...createHooks(), ...options.hooks },
  });

  // 1. Headers. Nothing is allowed but our own files; no script and no style stands in a page itself.
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
          formAction: ["'self'"], // "sign out everywhere" posts to this app, which leads to the provider by a page
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
          requireTrustedTypesFor: ["'script'"],
        },
      },
      xFrameOptions: { action: "deny" }, // frame-ancestors, for browsers of old
    }),
  );
  app.use(express.static(publicFolder(), { index: false }));

  // 2. The login: req.portal on every request, and the routes /login, /callback, /logout and /session. It brings the session as
  //    well, req.session, which lives in memory, or in the Redis or PostgreSQL that SESSION_STORE_URL names. An app
  //    that has an express-session of its own mounts it before this line, and then that one is used.
  app.use(login);
  const isProduction = process.env["NODE_ENV"]?.trim().toLowerCase() === "production";
  const inspect = isProduction ? undefined : inspector(); // for developers, on this machine alone
  if (inspect) app.use(INSPECTOR, inspect);

  // 3. The app itself. What is personal must not come back from a cache after signing out.
  app.use((_req, res, next) => {
    res.set("Cache-Control", "no-store");
    next();
  });

  app.get("/", (req, res) => {
    res.send(homePage({ user: req.portal.claims, lastVisit: req.session.lastVisit }));
  });

  app.get("/account", requireAuth(), async (req, res) => {
    res.send(
      accountPage({
        user: req.portal.claims,
        tokens: await getTokenFacts(req),
        inspects: inspect !== undefined,
      }),
    );
  });

  // Where a person is signed in. What ends a session must come from a page of this app: csrf sees to that.
  app.get("/sessions", requireAuth(), async (req, res) => {
    res.send(sessionsPage({ user: req.portal.claims, sessions: await req.portal.sessions() }));
  });

  app.post("/sessions/end", requireAuth({ csrf: true }), express.urlencoded(), async (req, res) => {
    await req.portal.endSession(String(req.body.id));
    res.redirect(303, "/sessions");
  });

  app.post("/sessions/end-all", requireAuth({ csrf: true }), async (req) => {
    await req.portal.logout({ everywhere: true });
  });

  // about the tokens, never the tokens themselves
  app.get("/api/me", requireAuth(), async (req, res) => {
    res.json({ claims: req.portal.claims, ...(await getTokenFacts(req)) });
  });

  app.get("/api/token-check", tokenCheck);

  // The access token in use, and refreshed before that when it has run out.
  app.get("/api/userinfo", requireAuth({ freshToken: true }), async (req, res) => {
    const userinfo = await req.portal.userinfo();
    res.json({ userinfo, ...(await getTokenFacts(req)) });
  });

  app.use((req, res) => {
    res.status(404).send(notFoundPage({ person: req.portal.claims }));
  });

  // 4. A portal that does not answer, or says no, while a handler waits for it.
  app.use(portalErrors());

  return {
    app,
    inspectorLink: (address) => inspect?.link(new URL(`${INSPECTOR}/`, address)),
    async close() {
      inspect?.close();
      await login.close();
    },
  };
}

function createHooks(): Hooks {
  const visits = new Map<string, number>(); // stands in for your database

  return {
    /** The person is verified, the new session not begun: the place to look them up, and to throw if they may not in. */
    async onLogin(context) {
      const { sub } = context.claims;
      const lastVisit = visits.get(sub);
      if (lastVisit !== undefined) context.session.lastVisit = lastVisit;
      visits.set(sub, Date.now());
      // The portal's ID token says who, but not the name. What was verified wins over what was fetched.
      context.claims = { ...(await fetchUserInfo(context)), ...context.claims };
    },
  };
}
