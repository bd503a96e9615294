import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { serve } from "./serve.mjs";
import { SECRET, SESSIONS } from "./sessions.mjs";

await serve(async ({ from, session, store, issuer, clientId, clientSecret, redirectUri }) => {
  const { portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
  const app = express();
  if (session) app.use(expressSession(SESSIONS[session]));
  app.use(portalAuth({ issuer, clientId, clientSecret, redirectUri, secret: SECRET, store }));
  app.get("/account", requireAuth(), (req, res) => {
    res.json({ sub: req.portal.claims.sub });
  });
  return app;
});
