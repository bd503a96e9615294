import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { createRedisStore } from "./redis-store.mjs";
import { serve } from "./serve.mjs";
import { SECRET, SESSIONS } from "./sessions.mjs";

/** All optional features, and all requirements of a guard that need no request to the provider. */
const ALL_FEATURES = {
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
 * `session` names the options of the application's own express-session. Without it, portalAuth() mounts the
 * session. `store` is the URL of a Redis. Without it, all data is stored in memory. With `createsStore` the
 * application's session is in createStore(), which then has the login, too. Otherwise it is in connect-redis
 * or in express-session's MemoryStore.
 */
await serve(
  async ({ from, session, createsStore, store, everything, issuer, clientId, clientSecret, redirectUri }) => {
    const { options, guard } = everything ? ALL_FEATURES : {};
    const { createStore, portalAuth, requireAuth } = await import(pathToFileURL(`${from}/dist/index.js`));
    const app = express();
    const ownStore = session ? createStore(store ?? "memory:") : store;
    if (session) {
      const appStore = createsStore ? ownStore : store && (await createRedisStore(store));
      app.use(expressSession({ ...SESSIONS[session], ...(appStore && { store: appStore }) }));
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
