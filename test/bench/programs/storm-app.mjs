import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { redisStore } from "./redis-store.mjs";
import { serve } from "./serve.mjs";
import { SECRET, SESSIONS } from "./sessions.mjs";
import { endOf, fingerprint } from "./tokens.mjs";

/** One process of the app in the storm. The address says what a request does, the answer what it met. */
await serve(async ({ from, processName, session, ...options }) => {
  signRequests(processName);
  const { createStore, portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
  const app = express();
  const stores = { createStore, "connect-redis": redisStore };
  const { issuer, store } = options;
  if (session) app.use(expressSession({ ...SESSIONS.plain, store: await stores[session](store) }));
  app.use(portalAuth({ ...options, secret: SECRET }));

  app.post("/visit", requireAuth(), async (req, res) => {
    const { waitBefore, waitAfter, useToken, add, remove } = req.query;
    const found = Object.keys(req.session).filter((key) => key.startsWith("change_"));
    if (waitBefore) await sleep(Number(waitBefore));

    const before = await req.portal.tokens();
    const token = await req.portal.accessToken();
    const millisecondsLeft = endOf(token) - Date.now();
    const renewed = token !== before.access_token;
    const refused = useToken ? await useAtPortal(token) : undefined;

    if (waitAfter) await sleep(Number(waitAfter));
    if (add) req.session[add] = processName;
    for (const key of remove?.split(" ") ?? []) delete req.session[key];
    const { refresh_token } = await req.portal.tokens();
    res.json({ found, renewed, millisecondsLeft, refused, refreshToken: fingerprint(refresh_token) });
  });

  app.use((error, _req, res, _next) => {
    res.status(error.status ?? 500).json({ code: error.code ?? error.name });
  });
  return app;

  async function useAtPortal(token) {
    const { status } = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
    if (status === 200) return undefined;
    // a busy machine may have let it lie until it ended, which in whole seconds may be one sooner than it says
    return Date.now() < endOf(token) - 1000 ? "refused" : "too late";
  }
});

/** What this process asks of the portal says that it was this one. */
function signRequests(processName) {
  const { fetch } = globalThis;
  globalThis.fetch = (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("x-process", processName);
    return fetch(url, { ...init, headers });
  };
}
