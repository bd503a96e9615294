import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { getHeapSnapshot } from "node:v8";
import cookieParser from "cookie-parser";
import express5 from "express";
import session from "express-session";
import express4 from "express4";

// The attacked applications. Many run in one process, so that damage by one of them shows in all others.

const MAX_REMEMBERED = 100;

/**
 * Creates the methods that a test calls in this process (host.ts).
 * @param library the exports of the package, and those of its parts that an app imports by another path
 */
export function createHost(library) {
  const apps = new Map();
  const events = [];
  let lastKey = 0;
  subscribe(library, (event) => remember(events, JSON.stringify(event)));
  return {
    /** Listens, and serves nothing before serve(), because the settings contain the URL. */
    async open() {
      events.length = 0;
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      lastKey += 1;
      apps.set(lastKey, { server, routers: [], failures: [] });
      return { key: lastKey, url: `http://127.0.0.1:${server.address().port}` };
    },
    serve({ key, settings }) {
      const state = apps.get(key);
      state.settings = settings;
      state.server.on("request", createApp(library, settings, state));
    },
    async close({ key }) {
      const { server, routers } = apps.get(key);
      apps.delete(key);
      server.closeAllConnections();
      server.close();
      await Promise.all(routers.map((router) => router.close()));
    },
    resources: () => process.getActiveResourcesInfo(),
    countObjects,
    /** Writes a mark to stdout and stderr, after all earlier lines. */
    ping(mark) {
      if (Object.keys(Object.prototype).length > 0) throw new Error("Object.prototype was polluted");
      for (const output of [process.stdout, process.stderr]) output.write(`${mark}\n`);
    },
    /** Returns everything that the app's onError hook and a subscriber to events have received. */
    readReceived: ({ key }) => ({ failures: apps.get(key).failures, events }),
    /** Returns the URL that opens the inspector once. */
    inspectorLink: ({ key, url }) => apps.get(key).inspector.link(url),
    /** Runs the doctor for the app's router. */
    diagnose({ key }) {
      const { options } = apps.get(key).settings.instances.at(-1);
      return library.diagnose(options);
    },
  };
}

function subscribe({ subscribeToEvents, EVENT_NAMES }, listener) {
  subscribeToEvents(Object.fromEntries(EVENT_NAMES.map((name) => [name, listener])), (error) => {
    throw error;
  });
}

const COUNTED = ["object", "closure", "array", "string", "concatenated string", "sliced string", "native"];

/**
 * Counts the objects, functions and texts that remain after garbage collection. Their sizes are not added up:
 * code grows as V8 compiles more of it, and tables keep the room that they once needed.
 */
async function countObjects() {
  for (let times = 0; times < 4; times += 1) globalThis.gc();
  const { snapshot, nodes } = JSON.parse(await text(getHeapSnapshot()));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const typeAt = fields.indexOf("type");
  const counts = types[typeAt].map((name) => COUNTED.includes(name));
  let found = 0;
  for (let at = 0; at < nodes.length; at += fields.length) if (counts[nodes[at + typeAt]]) found += 1;
  return found;
}

function createApp(library, settings, state) {
  const app = (settings.expressMajor === 4 ? express4 : express5)();
  mountEarlyMiddleware(app, settings);
  for (const instance of settings.instances) {
    const router = library.portalAuth(optionsFor(instance, settings, state));
    state.routers.push(router);
    if (settings.tenants) continue;
    const { mount } = instance;
    app.use(mount, router);
    addRoutes(app, mount === "/" ? "" : mount, instance.options.name, library.requireAuth);
  }
  if (settings.tenants) addTenants(app, library, settings.tenants, state.routers);
  if (settings.upstream) app.use(library.portalProxy("/api", settings.upstream));
  state.inspector = library.inspector();
  state.routers.push(state.inspector);
  app.use("/portal-inspector", state.inspector);
  if (settings.isFullyGuarded)
    app.use(library.requireAuth(), (req, res) => void res.json({ at: req.originalUrl }));
  app.use(library.portalErrors());
  app.use(sendErrorStatus);
  return app;
}

/** Mounts what an app may have before portalAuth(). */
function mountEarlyMiddleware(app, { expressMajor, trustsProxy, ownSession, hasCookieParser, hasParsers }) {
  const express = expressMajor === 4 ? express4 : express5;
  if (trustsProxy) app.set("trust proxy", true);
  if (ownSession) app.use(session({ resave: false, saveUninitialized: false, ...ownSession }));
  if (hasCookieParser) app.use(cookieParser());
  if (hasParsers) app.use(express.json(), express.text(), express.urlencoded({ extended: true }));
}

function optionsFor({ options }, { returnTo, forwardsQuery, hasLogger, pageTemplate }, { failures }) {
  const hooks = { onError: (error) => void remember(failures, inspect(error, { depth: 10 })) };
  if (returnTo !== undefined) hooks.onLogin = (context) => void Object.assign(context, { returnTo });
  const forwarding = forwardsQuery && { authorizationParams: (req) => req.query };
  const logger = hasLogger && LOGGER;
  return { ...options, ...forwarding, hooks, logger, renderPage: TEMPLATES[pageTemplate] };
}

function addTenants(app, { choosePortalAuth, requireAuth }, tenants, routers) {
  const indexes = new Map(Object.entries(tenants));
  app.use(choosePortalAuth((req) => routers[indexes.get(req.hostname)]));
  addRoutes(app, "", undefined, requireAuth);
}

/** Writes like a console, the fields after the message included. */
const write = (fields, line) => console.log(`[express-portal-auth] ${line} ${JSON.stringify(fields)}`);
const LOGGER = { warn: write, error: write, debug: write };

/** Templates of an app for its own pages, all of them broken. */
const TEMPLATES = {
  throws: () => {
    throw new Error("no such template");
  },
  rejects: () => Promise.reject(new Error("no such template")),
  "a number": () => 42,
  "shows all arguments": (page) => `<pre>${JSON.stringify(page).replaceAll("<", "&lt;")}</pre>`,
};

function remember(list, entry) {
  if (list.push(entry) > MAX_REMEMBERED) list.shift();
}

/** Merges an object into another one as libraries do it, and ignores members that cannot be changed. */
function merge(into, from) {
  for (const [name, value] of Object.entries(from))
    if (typeof value === "object" && typeof into[name] === "object") merge(into[name], value);
    else Reflect.set(into, name, value);
}

/** Passes a rejection on. Express 4 ignores the rejection of a handler. */
const catchRejection = (handler) => (req, res, next) => handler(req, res).catch(next);

const sendIn = (_req, res) => void res.send("in");

/** The requirements of the app's guards, by path. */
const REQUIREMENTS = {
  strong: { acr: "mfa" },
  young: { maxAge: 60 },
  admins: { roles: "admin" },
  granted: { scope: "orders" },
  sales: { claims: { department: "sales", level: [2, 3] } },
  own: { csrf: true },
};

/** Adds the routes of the app, for the router with this name if it has one. */
function addRoutes(app, base, name, requireAuth) {
  const route = {
    app,
    base,
    guard: (options) => requireAuth({ portal: name, ...options }),
    portalOf: (req) => (name === undefined ? req.portal : req.portals[name]),
    sessionOf: (req) => (name === undefined ? req.session : req.portals[name].session),
  };
  addPages(route);
  addCarelessWrites(route);
  addForms(route);
  addSessionList(route);
  addCarelessRedirects(route);
  addTokenUses(route);
}

function addPages({ app, base, guard, portalOf }) {
  app.get(`${base}/`, (_req, res) => void res.send("home"));
  app.get(`${base}/account`, guard(), (req, res) => void res.json({ sub: portalOf(req).claims.sub }));
  app.get(`${base}/me`, (req, res) => {
    const { isAuthenticated, claims } = portalOf(req);
    res.json({ isAuthenticated, claims });
  });
  for (const [path, requirement] of Object.entries(REQUIREMENTS))
    app.all(`${base}/${path}`, guard(requirement), sendIn);
}

/** An app that copies claims carelessly, and lets users fill its session. */
function addCarelessWrites({ app, base, portalOf, sessionOf }) {
  app.get(
    `${base}/merged-claims`,
    (req, res) => void res.json({ isAdmin: Object.assign({}, portalOf(req).claims).isAdmin }),
  );
  app.post(`${base}/assign`, express5.urlencoded(), (req, res) => {
    Object.assign(sessionOf(req), JSON.parse(req.body.members));
    res.end();
  });
  app.post(`${base}/merge`, express5.urlencoded(), (req, res) => {
    merge(sessionOf(req), JSON.parse(req.body.members));
    res.json({ sub: portalOf(req).claims?.sub });
  });
  app.get(`${base}/note`, (req, res) => void res.json({ note: sessionOf(req).note }));
}

/** The orders from forms, for all apps of this process. */
const orders = [];

/** An app that accepts a form, and shows what it has received. */
function addForms({ app, base, guard, portalOf }) {
  app.post(`${base}/order`, guard({ keepForm: true }), express5.urlencoded(), (req, res) => {
    orders.push({ sub: portalOf(req).claims.sub, ...req.body });
    res.json({ ordered: req.body });
  });
  app.get(`${base}/orders`, (_req, res) => void res.json(orders.splice(0)));
}

function addSessionList({ app, base, portalOf }) {
  app.get(
    `${base}/sessions`,
    catchRejection(async (req, res) => void res.json(await portalOf(req).sessions())),
  );
  app.post(
    `${base}/end`,
    express5.urlencoded(),
    catchRejection(async (req, res) => void res.json({ ended: await portalOf(req).endSession(req.body.id) })),
  );
  app.post(`${base}/logout-all`, (req) => portalOf(req).logout({ everywhere: true }));
}

/** An app that trusts URLs in a query. */
function addCarelessRedirects({ app, base, guard, portalOf }) {
  app.get(`${base}/login-to`, (req) => portalOf(req).login({ returnTo: req.query.to }));
  app.get(`${base}/guarded-to`, guard({ returnTo: (req) => req.query.to }), sendIn);
  app.get(
    `${base}/fetched`,
    catchRejection(async (req, res) => {
      const { status } = await portalOf(req).fetch(req.query.to);
      res.json({ status });
    }),
  );
}

function addTokenUses({ app, base, portalOf }) {
  app.get(
    `${base}/userinfo`,
    catchRejection(async (req, res) => void res.json(await portalOf(req).userinfo())),
  );
  app.get(
    `${base}/token`,
    catchRejection(async (req, res) => void res.json({ ok: (await portalOf(req).accessToken()) !== "" })),
  );
}

/** Sends the status of an error. Express itself would print the app's error, and that line is not ours. */
function sendErrorStatus(error, _req, res, next) {
  if (res.headersSent) return next(error);
  const { status = 500, code } = error;
  res.status(status).json({ status, code });
}
