import type { Express, Request, RequestHandler } from "express";
import session from "express-session";
import { describe, expect, test, vi } from "vitest";
import { type PortalAuthOptions, portalAuth } from "../../../lib/index.js";
import { isRecord } from "../../../lib/session/record.js";
import { logIn, SESSIONS } from "../../access/logged-in.js";
import { holdersOfLogin, movedTo, underWay } from "../../logout/under-way.js";
import { Browser } from "../../support/browser.js";
import { createGate } from "../../support/gate.js";
import { storedSessions } from "../../support/stored-sessions.js";
import { CLIENT_SECRET, SESSION_SECRET, startWorld, type World } from "../../support/world.js";

const signOut = ({ browser, url }: World) => browser.navigate(`${url}/logout`, { site: "same-origin" });

test.each(SESSIONS)("%s: while a login is moved it is forgotten by nobody who looks", async (_name, whose) => {
  const world = await logIn({ session: whose });
  const other = await world.another();
  world.later(120);
  await world.inRequest((req) =>
    movedTo(req, {}, () => world.inRequest(async (elsewhere) => void (await elsewhere.portal.sessions()), other)),
  );
  expect((await world.me()).isAuthenticated).toBe(true);
});

describe("a process that has not met the portalAuth() of a login", () => {
  /** Another process on the same store: its store is another object, with the same content. */
  async function start(whileLoaded: () => Promise<unknown> = async () => {}) {
    const store = new session.MemoryStore();
    const others = Object.assign(new session.MemoryStore(), {
      sessions: (store as unknown as { sessions: object }).sessions,
    });
    const settings = { secret: "s", resave: false, saveUninitialized: false };
    const its: { auth?: RequestHandler } = {};
    const world = await startWorld({
      log: [/lock/],
      before(app) {
        const auth: RequestHandler = (req, res, next) => its.auth?.(req, res, next);
        app.get("/others/move", session({ ...settings, store: others }), auth, async (req, res) => {
          await whileLoaded();
          await movedTo(req, {});
          res.end("moved");
        });
        app.use(session({ ...settings, store }));
      },
      after: withRoute,
    });
    its.auth = anotherAuth(world, portalAuth);
    await world.browser.visit(`${world.url}/account`);
    const move = async () => expect((await world.browser.fetch(`${world.url}/others/move`)).body).toBe("moved");
    return { ...world, move, isIn: async () => (await world.me()).isAuthenticated };
  }

  test("moves it, and a logout everywhere finds it", async () => {
    const { url, move, isIn } = await start();
    const phone = new Browser();
    await move();
    await phone.visit(`${url}/account`);
    expect(await isIn()).toBe(true);
    expect((await phone.fetch(`${url}/everywhere`, { method: "POST" })).status).toBe(200);
    expect(await isIn()).toBe(false);
  });

  test("does not bring back one that was ended meanwhile", async () => {
    const [loaded, goOn] = [createGate(), createGate()];
    const world = await start(() => {
      loaded.open();
      return goOn.opened;
    });
    const moving = world.move();
    await loaded.opened;
    expect((await signOut(world)).status).toBe(303);
    goOn.open();
    await moving;
    expect(await world.isIn()).toBe(false);
  });
});

test("with two copies of this package on one store no request in flight undoes a logout, and people log in as ever", async () => {
  const copies: { auth?: RequestHandler } = {};
  const world = await logIn({
    session: "app",
    before: (app) => {
      app.use("/copy", (req, res, next) => (copies.auth ? copies.auth(req, res, next) : next()));
      app.get("/copy/me", (req, res) => void res.json(req.portal.isAuthenticated));
    },
  });
  vi.resetModules();
  const copy = await import("../../../lib/index.js");
  expect(copy.portalAuth).not.toBe(portalAuth);
  copies.auth = anotherAuth(world, copy.portalAuth, "copy");
  expect((await world.browser.fetch(`${world.url}/copy/me`)).body).toBe("false");
  const slow = await underWay(world, (req) => movedTo(req, {}));
  expect((await signOut(world)).status).toBe(303);
  await slow.goOn();
  expect([(await world.me()).isAuthenticated, holdersOfLogin(world)]).toEqual([false, 0]);
  await world.browser.visit(`${world.url}/account`);
  expect((await world.me()).isAuthenticated).toBe(true);
  await world.inRequest((req) => movedTo(req, {}));
  expect((await world.me()).isAuthenticated).toBe(true);
});

test("the request that has logged somebody in cannot bring that back later either", async () => {
  const callbacks: Request[] = [];
  const world = await logIn({
    session: "app",
    before: (app) =>
      app.use("/callback", (req, _res, next) => {
        callbacks.push(req);
        next();
      }),
  });
  const [itself] = callbacks;
  await signOut(world);
  await movedTo(itself as Request, {});
  expect(holdersOfLogin(world)).toBe(0);
});

test("a login that was ended while it was moved stays ended where the store fails right then, and a browser knows the new id", async () => {
  const [written, letOn] = [createGate(), createGate()];
  const failing = { isMoving: false, isDown: false };
  class FailingMemory extends session.MemoryStore {
    override get: session.MemoryStore["get"] = (id, done) =>
      failing.isDown ? done(new Error("the store is away")) : super.get(id, done);
    override destroy: session.MemoryStore["destroy"] = (id, done) =>
      failing.isDown ? done?.(new Error("the store is away")) : super.destroy(id, done);
    override set: session.MemoryStore["set"] = (id, data, done) => {
      if (!failing.isMoving || isRecord(id)) return super.set(id, data, done);
      failing.isMoving = false;
      written.open();
      void letOn.opened.then(() =>
        super.set(id, data, (error) => {
          failing.isDown = true;
          done?.(error);
        }),
      );
    };
  }
  const store = new FailingMemory();
  const ids: string[] = [];
  const world = await startWorld({
    before: (app) => app.use(session({ store, secret: "s", resave: false, saveUninitialized: false })),
    after(app) {
      withRoute(app);
      app.get("/move", async (req, res) => {
        await movedTo(req, {}, async () => void ids.push(req.sessionID)).catch(() => {});
        res.end();
      });
    },
  });
  const phone = new Browser();
  await phone.visit(`${world.url}/account`);
  await world.browser.visit(`${world.url}/account`);
  failing.isMoving = true;
  const moving = world.browser.fetch(`${world.url}/move`);
  await written.opened;
  expect((await phone.fetch(`${world.url}/everywhere`, { method: "POST" })).status).toBe(200);
  letOn.open();
  await moving;
  failing.isDown = false;
  const [id = ""] = ids;
  expect(Object.keys(storedSessions(store))).toEqual([id]);
  expect(decodeURIComponent(await world.browser.jar.getCookieString(world.url))).toContain(id);
  expect((await world.me()).isAuthenticated).toBe(false);
});

test("an app whose session gets the id again that it had brings nothing back by that", async () => {
  const store = new session.MemoryStore();
  const [loaded, goOn] = [createGate(), createGate()];
  const world = await startWorld({
    before: (app) =>
      app.use(
        session({
          store,
          secret: "s",
          resave: false,
          saveUninitialized: false,
          genid: ({ headers }) => String(headers["x-device"] ?? Math.random()),
        }),
      ),
    after: (app) =>
      app.get("/move", async (req, res) => {
        loaded.open();
        await goOn.opened;
        await movedTo(req, {});
        res.end("moved");
      }),
  });
  const { browser, url } = world;
  await browser.visit(`${url}/account`);
  const [id = ""] = Object.keys(storedSessions(store));
  const moving = browser.fetch(`${url}/move`, { headers: { "x-device": id } });
  await loaded.opened;
  await signOut(world);
  goOn.open();
  await moving;
  expect(Object.values(storedSessions(store)).filter((text) => JSON.parse(text).portal)).toEqual([]);
});

const withRoute = (app: Express) => app.post("/everywhere", (req) => req.portal.logout({ everywhere: true }));

/** A portalAuth() of another client's, mounted below a path. */
const anotherAuth = ({ portal, url }: World, create: (options: PortalAuthOptions) => RequestHandler, path = "others") =>
  create({
    issuer: portal.issuer,
    profile: "tencent-ciam",
    clientId: path === "copy" ? "copys-app" : "others-app",
    clientSecret: CLIENT_SECRET,
    redirectUri: `${url}/${path}/callback`,
    secret: SESSION_SECRET,
  });
