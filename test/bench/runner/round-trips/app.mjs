import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { SECRET, SESSIONS } from "../../programs/sessions.mjs";
import { BENCH_USERS } from "../../programs/users.mjs";
import { Browser, createAgent, send } from "../browser.mjs";
import { logIn } from "../visit.mjs";

const TOKEN_SECONDS = 600;

/** The kinds of sessions. The login records are in the store of the server in any case. */
const SESSION_KINDS = {
  "own session": () => ({}),
  "the application's session in createStore()": async (storeServer, { createStore }) => ({
    appStore: createStore(storeServer.store),
    isCreatedStore: true,
  }),
  "the application's session in connect-redis": async (storeServer) => ({
    appStore: await storeServer.createAppStore(),
  }),
};

/** Starts an application and a provider in this process. Returns the requests that a row can make. */
export async function startApp({ from, storeServer, sessionKind, backchannelLogout }) {
  const load = (path) => import(pathToFileURL(join(from, "dist", path)).href);
  const library = await load("index.js");
  const { fakeClock, loginAs, startTestProvider } = await load("testing/index.js");
  const provider = await startTestProvider({
    document: "full",
    users: BENCH_USERS,
    accessTokenSeconds: TOKEN_SECONDS,
  });
  const clock = fakeClock();
  const app = express();
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const { appStore, isCreatedStore = false } = await SESSION_KINDS[sessionKind](storeServer, library);
  if (appStore) app.use(expressSession({ ...SESSIONS.plain, store: appStore }));
  const auth = library.portalAuth({
    ...provider.options,
    redirectUri: `${origin}/callback`,
    secret: SECRET,
    store: isCreatedStore ? undefined : storeServer.store,
    backchannelLogout,
    clock,
  });
  app.use(auth);
  addRoutes(app, library, appStore && !isCreatedStore);
  const agent = createAgent();
  const request = (browser, method, path) =>
    requestPath({ agent, origin, sessionKind }, browser, method, path);
  return {
    newBrowser: () => new Browser(agent),
    logIn: (browser, user) => logIn({ name: sessionKind, origin, login: "/log-in-again" }, browser, user),
    loginAs: (user) => loginAs(app, { ...user, sid: `sid-of-${user.sub}` }),
    get: (browser, path) => request(browser, "GET", path),
    post: (browser, path) => request(browser, "POST", path),
    expireTokens: () => clock.advance(TOKEN_SECONDS),
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await auth.close();
      if (isCreatedStore) await appStore.close();
      await appStore?.client?.close();
      await provider.close();
    },
  };
}

/** Adds the routes of all rows. `/account` returns the key of the record that has the login. */
function addRoutes(app, { requireAuth }, hasLoginRecord) {
  app.get("/account", requireAuth(), (req, res) => {
    res.json({ record: hasLoginRecord ? `l:${req.session.portal.login_id}` : `s:${req.sessionID}` });
  });
  app.get("/token", requireAuth(), async (req, res) => {
    await req.portal.accessToken();
    res.end();
  });
  app.get("/log-in-again", (req) => req.portal.login({ authorizationParams: { prompt: "login" } }));
  app.post("/leave", (req) => req.portal.logout({ everywhere: "everywhere" in req.query }));
}

async function requestPath({ agent, origin, sessionKind }, browser, method, path) {
  const headers = {
    accept: "application/json",
    cookie: browser.getCookie(origin),
    "sec-fetch-site": "same-origin",
  };
  const { status, text } = await send(agent, new URL(path, origin), { method, headers });
  if (status !== 200) throw new Error(`${sessionKind}: ${method} ${path} answered ${status}`);
  return text === "" ? undefined : JSON.parse(text);
}
