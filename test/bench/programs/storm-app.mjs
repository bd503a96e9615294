import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { createRedisStore } from "./redis-store.mjs";
import { serve } from "./serve.mjs";
import { SECRET, SESSIONS } from "./sessions.mjs";
import { createFingerprint, getExpiry } from "./tokens.mjs";

/**
 * One process of the application in the storm. The query says what a request does, the response what it
 * found.
 */
await serve(async ({ from, processName, session, ...options }) => {
  addProcessHeader(processName);
  const { createStore, portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
  const app = express();
  const stores = { createStore, "connect-redis": createRedisStore };
  const { issuer, store } = options;
  if (session) app.use(expressSession({ ...SESSIONS.plain, store: await stores[session](store) }));
  app.use(portalAuth({ ...options, secret: SECRET }));

  app.post("/visit", requireAuth(), async (req, res) => {
    const { waitBefore, waitAfter, useToken, add, remove } = req.query;
    const found = Object.keys(req.session).filter((key) => key.startsWith("change_"));
    if (waitBefore) await sleep(Number(waitBefore));

    const before = await req.portal.tokens();
    const token = await req.portal.accessToken();
    const millisecondsLeft = getExpiry(token) - Date.now();
    const isRefreshed = token !== before.access_token;
    const rejection = useToken ? await findRejection(token) : undefined;

    if (waitAfter) await sleep(Number(waitAfter));
    if (add) req.session[add] = processName;
    for (const key of remove?.split(" ") ?? []) delete req.session[key];
    const { refresh_token } = await req.portal.tokens();
    const refreshToken = createFingerprint(refresh_token);
    res.json({ found, isRefreshed, millisecondsLeft, rejection, refreshToken });
  });

  app.use((error, _req, res, _next) => {
    res.status(error.status ?? 500).json({ code: error.code ?? error.name });
  });
  return app;

  /** Uses the token at the provider. Returns how it was rejected; undefined if it was accepted. */
  async function findRejection(token) {
    const { status } = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
    if (status === 200) return undefined;
    // On a busy machine the token may expire before its use. The provider counts in whole seconds, so it may
    // expire one second early.
    return Date.now() < getExpiry(token) - 1000 ? "rejected" : "too late";
  }
});

/** Adds the name of this process to all its requests to the provider. */
function addProcessHeader(processName) {
  const { fetch } = globalThis;
  globalThis.fetch = (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("x-process", processName);
    return fetch(url, { ...init, headers });
  };
}
