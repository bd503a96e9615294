// A complete app, from top to bottom: headers, session, login, routes. The shortest one is in the README.

import express, { type Express } from "express";
import { type Claims, type Hooks, type PortalAuthOptions, portalAuth, requireAuth } from "express-portal-auth";
import session from "express-session";
import helmet from "helmet";
import { accountPage } from "./pages/account.js";
import { homePage } from "./pages/home.js";
import { notFoundPage } from "./pages/not-found.js";
import { publicFolder } from "./public-folder.js";
import { sessionSettings } from "./session-settings.js";
import { tokenLives } from "./token-lives.js";
import { fetchUserInfo } from "./user-info.js";

declare module "express-session" {
  interface SessionData {
    /** When this person signed in the time before, in milliseconds since 1970. */
    lastVisit?: number;
  }
}

/** The application. What is left out of the options comes from the environment: PORTAL_ISSUER and so on. */
export function createApp(options: PortalAuthOptions = {}): Express {
  const app = express();
  const login = portalAuth({ ...options, hooks: { ...createHooks(), ...options.hooks } }); // options are for tests
  const { https, secrets } = sessionSettings(options);

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
          formAction: ["'none'"], // there is no form; /login and /logout are links
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
          requireTrustedTypesFor: ["'script'"],
        },
      },
      xFrameOptions: { action: "deny" }, // frame-ancestors, for browsers of old
    }),
  );
  app.use(express.static(publicFolder(), { index: false }));

  // 2. The app's own session. Its default store is this process's memory, which suits an example: anything that
  //    shall survive a restart, or run in two processes, needs a store such as connect-redis.
  app.use(
    session({
      name: https ? "__Host-example-session" : "example-session",
      secret: secrets,
      resave: false,
      saveUninitialized: false, // visitors who never sign in get no cookie
      rolling: true,
      proxy: https, // TLS usually ends at a proxy in front of Node.js
      cookie: { path: "/", httpOnly: true, sameSite: "lax", secure: https, maxAge: 8 * 60 * 60 * 1000 },
    }),
  );

  // 3. The login: req.portal on every request, and the routes /login, /callback and /logout.
  app.use(login);

  // 4. The app itself. What is personal must not come back from a cache after signing out.
  app.use((_req, res, next) => {
    res.set("Cache-Control", "no-store");
    next();
  });

  app.get("/", (req, res) => {
    res.send(homePage({ person: req.portal.claims, lastVisit: req.session.lastVisit }));
  });

  app.get("/account", requireAuth(), async (req, res) => {
    res.send(accountPage({ person: req.portal.claims as Claims, lives: await tokenLives(req) }));
  });

  app.get("/api/me", requireAuth(), async (req, res) => {
    const lives = await tokenLives(req);
    const seconds_left = Object.fromEntries(lives.map(({ token, secondsLeft }) => [token, secondsLeft]));
    res.json({ claims: req.portal.claims, seconds_left }); // about the tokens, never the tokens themselves
  });

  app.use((req, res) => {
    res.status(404).send(notFoundPage({ person: req.portal.claims }));
  });

  return app;
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
