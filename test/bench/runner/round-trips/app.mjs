import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import express from "express";
import expressSession from "express-session";
import { EVERYBODY } from "../../programs/people.mjs";
import { SECRET, SESSIONS } from "../../programs/sessions.mjs";
import { Browser, connections, send } from "../browser.mjs";
import { logIn } from "../visit.mjs";

/** Who keeps the session. The login records lie in the store of the place in any case. */
export const KEEPERS = {
  "own session": () => ({}),
  "the application's session in createStore()": async (place, { createStore }) => ({
    appsStore: createStore(place.store),
    isOurs: true,
  }),
  "the application's session in connect-redis": async (place) => ({ appsStore: await place.appsStore() }),
};

/** An app in this process, at a portal in this process, with one guarded route and two ways out. */
export async function startApp({ from, place, keeper, backchannelLogout }) {
  const load = (path) => import(pathToFileURL(join(from, "dist", path)).href);
  const { createStore, portalAuth, requireAuth } = await load("index.js");
  const { fakeClock, loginAs, startTestProvider } = await load("testing/index.js");
  const portal = await startTestProvider({
    document: "full",
    users: EVERYBODY,
    accessTokenSeconds: TOKEN_SECONDS,
  });
  const clock = fakeClock();
  const app = express();
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${server.address().port}`;
  const { appsStore, isOurs = false } = await KEEPERS[keeper](place, { createStore });
  if (appsStore) app.use(expressSession({ ...SESSIONS.plain, store: appsStore }));
  const auth = portalAuth({
    ...portal.options,
    redirectUri: `${origin}/callback`,
    secret: SECRET,
    store: isOurs ? undefined : place.store,
    backchannelLogout,
    clock,
  });
  app.use(auth);
  app.get("/account", requireAuth(), (req, res) => {
    res.json({ record: appsStore && !isOurs ? `l:${req.session.portal.login_id}` : `s:${req.sessionID}` });
  });
  app.get("/token", requireAuth(), async (req, res) => {
    await req.portal.accessToken();
    res.end();
  });
  app.get("/log-in-again", (req) => req.portal.login({ authorizationParams: { prompt: "login" } }));
  app.post("/leave", (req) => req.portal.logout({ everywhere: "everywhere" in req.query }));
  const agent = connections();
  return {
    newBrowser: () => new Browser(agent),
    logIn: (browser, person) => logIn({ name: keeper, origin, login: "/log-in-again" }, browser, person),
    loginAs: (person) => loginAs(app, { ...person, sid: `sid-of-${person.sub}` }),
    get: (browser, path) => ask(browser, "GET", path),
    post: (browser, path) => ask(browser, "POST", path),
    expireTokens: () => clock.advance(TOKEN_SECONDS),
    async stop() {
      agent.destroy();
      server.closeAllConnections();
      server.close();
      await auth.close();
      if (isOurs) await appsStore.close();
      await appsStore?.client?.close();
      await portal.close();
    },
  };

  async function ask(browser, method, path) {
    const headers = {
      accept: "application/json",
      cookie: browser.cookie(origin),
      "sec-fetch-site": "same-origin",
    };
    const { status, text } = await send(agent, new URL(path, origin), { method, headers });
    if (status !== 200) throw new Error(`${keeper}: ${method} ${path} answered ${status}`);
    return text === "" ? undefined : JSON.parse(text);
  }
}

const TOKEN_SECONDS = 600;
