import session from "express-session";
import { expect, test } from "vitest";
import { portalAuth } from "../../lib/index.js";
import { PortalSessionStore } from "../../lib/store/portal-session-store.js";
import { AnotherStore } from "../support/another-store.js";
import { Browser } from "../support/browser.js";
import { observedStore } from "../support/stored-sessions.js";
import { startWorld, type World } from "../support/world.js";
import { mountExpressSession } from "./slow-route.js";

const ONE_PROCESS_WARNING = /safe for one process only/;

test("one read loads the session and its login, if the app's session is in our store", async () => {
  const store = observedStore();
  const sessions = new PortalSessionStore(store);
  const world = await startWorld({
    before: mountExpressSession({ store: sessions }),
    options: { store: sessions },
  });
  await world.browser.visit(`${world.url}/account`);
  store.calls();
  expect((await world.me()).isAuthenticated).toBe(true);
  expect(store.calls()).toEqual(["readEntry"]);
  expect((await store.logins()).map(({ session_id }) => session_id)).toHaveLength(1);
});

test.each([
  [
    "and no option store: the log warns once that this is safe for one process only",
    new AnotherStore(),
    {},
    1,
  ],
  ["and the option store: no warning", new AnotherStore(), { store: observedStore() }, 0],
  ["which is express-session's memory: no warning", new session.MemoryStore(), {}, 0],
])("with the app's session in its own store %s", async (_case, store, options, warnings) => {
  const world = await startWorld({
    before: mountExpressSession({ store }),
    options,
    log: [ONE_PROCESS_WARNING],
  });
  await world.browser.visit(`${world.url}/account`);
  await new Browser().visit(`${world.url}/account`);
  expect(world.log.filter((line) => ONE_PROCESS_WARNING.test(line))).toHaveLength(warnings);
});

/** Starts an application that mounts its session for all paths except one. */
function startExceptAt(path: string): Promise<World> {
  const handle = session({ secret: "s", resave: false, saveUninitialized: false });
  return startWorld({
    before: (app) => app.use((req, res, next) => (req.path === path ? next() : handle(req, res, next))),
    log: [/Some requests come with the app's express-session/],
  });
}

test("the log warns once if the app's session is mounted only for some requests", async () => {
  const world = await startExceptAt("/");
  await world.browser.visit(`${world.url}/account`);
  for (const _ of [1, 2]) await world.browser.visit(`${world.url}/`);
  expect(world.log.filter((line) => line.includes("Some requests come"))).toHaveLength(1);
});

test("a session of another portalAuth() causes no warning that the app's session is missing", async () => {
  const other = portalAuth({
    ...{ issuer: "https://other.example", clientId: "other", clientSecret: "secret-of-the-other-client" },
    ...{ redirectUri: "http://127.0.0.1/tenant/callback", secret: "0123456789abcdef0123456789abcdef" },
  });
  const world = await startWorld({ before: (app) => app.use("/tenant", other) });
  for (const path of ["/tenant/page", "/"]) await world.browser.visit(world.url + path);
  expect(world.log.filter((line) => line.includes("Some requests come"))).toEqual([]);
});

test("a login in one of two sessions of a browser is not valid in the other", async () => {
  const world = await startExceptAt("/test/me");
  await world.browser.visit(`${world.url}/account`);
  // This path has a session of portalAuth().
  expect((await world.me()).isAuthenticated).toBe(false);
  expect((await world.browser.fetch(`${world.url}/account`)).status).toBe(200);
});
