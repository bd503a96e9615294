import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { serve } from "./serve.mjs";
import { SECRET, SESSIONS } from "./sessions.mjs";

/** What can be switched on, and whatever a guard can demand of a session without asking anybody. */
const EVERYTHING = {
  options: {
    backchannelLogout: true,
    frontchannelLogout: true,
    silentLogin: true,
    thirdPartyLogin: true,
    routes: { session: "/session" },
  },
  guard: { scope: "openid", claims: { sub: (sub) => sub !== "" }, csrf: true, keepForm: true },
};

await serve(async ({ from, session, store, everything, issuer, clientId, clientSecret, redirectUri }) => {
  const { options, guard } = everything ? EVERYTHING : {};
  const { portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
  const app = express();
  if (session) app.use(expressSession(SESSIONS[session]));
  app.use(portalAuth({ issuer, clientId, clientSecret, redirectUri, secret: SECRET, store, ...options }));
  app.get("/account", requireAuth(guard), (req, res) => {
    res.json({ sub: req.portal.claims.sub });
  });
  return app;
});
