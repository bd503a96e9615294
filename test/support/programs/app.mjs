import express from "express";
import { portalAuth, requireAuth } from "../../../dist/index.js";
import { onMessage, sendMessage, serve, waitForMessage } from "./serve.mjs";
import { closeAll, sessionMiddleware } from "./session.mjs";

// One process of an app, with the built package. ../app-process.ts starts it and describes its messages.

await serve(async ({ options, session }) => {
  const app = express();
  if (session) app.use(await sessionMiddleware(session));
  const clock = createClock();
  const auth = portalAuth({ ...options, clock });
  app.use(auth);

  app.get("/", (_req, res) => void res.send("home"));
  app.get("/account", requireAuth(), (req, res) => void res.json({ sub: req.portal.claims.sub }));
  app.get("/test/me", async (req, res) => {
    const { isAuthenticated, claims } = req.portal;
    res.json({ isAuthenticated, claims, tokens: await req.portal.tokens() });
  });
  app.get("/token", async (req, res) => void res.json({ access_token: await req.portal.accessToken() }));
  app.get("/session", (req, res) => {
    res.json(req.session);
  });
  app.get("/sessions", async (req, res) => void res.json(await req.portal.sessions()));
  app.post("/leave-everywhere", (req) => req.portal.logout({ everywhere: true }));
  app.get("/slow-change", slowChange);
  app.use(sendError);
  return { app, close: () => Promise.all([auth.close(), closeAll()]) };
});

/** A clock that the test advances. */
function createClock() {
  let ahead = 0;
  onMessage("advance clock", (seconds) => {
    ahead += seconds * 1000;
    sendMessage("clock advanced");
  });
  return () => Date.now() + ahead;
}

/**
 * Waits for the test with a loaded session, then continues. The stored session may have changed meanwhile.
 */
async function slowChange(req, res) {
  const { hold, key, value, token, save } = req.query;
  const released = waitForMessage(`release ${hold}`);
  sendMessage(`loaded ${hold}`);
  await released;
  if (token) await req.portal.accessToken();
  req.session[key] = value;
  if (save) await saved(req.session);
  res.json({ [key]: value });
}

function saved(session) {
  return new Promise((resolve, reject) => session.save((error) => (error ? reject(error) : resolve())));
}

/** Handles errors like an app: ours have status and code, all others are unexpected. */
function sendError(error, _req, res, _next) {
  const { status = 500, code, message } = error;
  res.status(status).json({ status, code, ...(error.name !== "PortalAuthError" && { message }) });
}
