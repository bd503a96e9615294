export const SECRET = "0123456789abcdef0123456789abcdef";

/** What an app hands to express-session: its own choice, or what lib/session/own-session.ts does over http. */
export const SESSIONS = {
  app: {
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { httpOnly: true, sameSite: "lax" },
  },
  "like ours": {
    name: "portal-session",
    secret: [SECRET],
    resave: false,
    saveUninitialized: false,
    rolling: true,
    cookie: { path: "/", httpOnly: true, sameSite: "lax", secure: false, maxAge: 24 * 60 * 60 * 1000 },
  },
};
