import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { redisStore } from "./redis-store.mjs";
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

/**
 * `session` names the settings of the application's own express-session; without it portalAuth() mounts the session.
 * `store` is the address of a Redis; without it everything is kept in memory. With `createsStore` the application's session
 * lies in createStore(), which then holds the login, too. Otherwise it lies in connect-redis or express-session's MemoryStore.
 */
await serve(
  async ({ from, session, createsStore, store, everything, issuer, clientId, clientSecret, redirectUri }) => {
    const { options, guard } = everything ? EVERYTHING : {};
    const { createStore, portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
    const app = express();
    const ownStore = session ? createStore(store ?? "memory:") : store;
    if (session) {
      const appsStore = createsStore ? ownStore : store && (await redisStore(store));
      app.use(expressSession({ ...SESSIONS[session], ...(appsStore && { store: appsStore }) }));
    }
    app.use(
      portalAuth({
        issuer,
        clientId,
        clientSecret,
        redirectUri,
        secret: SECRET,
        store: ownStore,
        ...options,
      }),
    );
    app.get("/account", requireAuth(guard), (req, res) => {
      res.json({ sub: req.portal.claims.sub });
    });
    return app;
  },
);
