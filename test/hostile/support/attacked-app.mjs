import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { getHeapSnapshot } from "node:v8";
import cookieParser from "cookie-parser";
import express5 from "express";
import session from "express-session";
import express4 from "express4";

// The attacked applications, many in one process, so that damage by one of them shows in all others.

/** @param library the exports of the package, and those of its parts that an app imports by another path */
export function createHost(library) {
  const servers = new Map();
  const heard = [];
  let last = 0;
  library.subscribeToEvents(
    Object.fromEntries(
      library.EVENT_NAMES.map((name) => [name, (event) => remember(heard, JSON.stringify(event))]),
    ),
    (error) => {
      throw error;
    },
  );
  return {
    /** Listens, and serves nothing before begin(), because the settings name the URL. */
    async open() {
      heard.length = 0;
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      last += 1;
      servers.set(last, { server, routers: [], failures: [] });
      return { key: last, url: `http://127.0.0.1:${server.address().port}` };
    },
    begin({ key, settings }) {
      const held = servers.get(key);
      held.settings = settings;
      held.server.on("request", createApp(library, settings, held));
    },
    async close({ key }) {
      const { server, routers } = servers.get(key);
      servers.delete(key);
      server.closeAllConnections();
      server.close();
      await Promise.all(routers.map((router) => router.close()));
    },
    resources: () => process.getActiveResourcesInfo(),
    count,
    /** Reports it in the log too, after all earlier lines. */
    ping(mark) {
      if (Object.keys(Object.prototype).length > 0) throw new Error("Object.prototype was polluted");
      for (const output of [process.stdout, process.stderr]) output.write(`${mark}\n`);
    },
    /** Everything that an application's onError hook and a subscriber to events could see. */
    told: ({ key }) => ({ failures: servers.get(key).failures, events: heard }),
    /** Returns the URL that opens the inspector once. */
    inspectorLink: ({ key, address }) => servers.get(key).inspecting.link(address),
    /** Runs the doctor for the app's router. */
    diagnose({ key }) {
      const { options } = servers.get(key).settings.instances.at(-1);
      return library.diagnose(options);
    },
  };
}

/**
 * Counts the objects, functions and texts that remain after garbage collection. They are counted and not
 * weighed: code grows as V8 compiles more of it, and tables keep the room that they once needed.
 */
async function count() {
  for (let times = 0; times < 4; times += 1) globalThis.gc();
  const { snapshot, nodes } = JSON.parse(await text(getHeapSnapshot()));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const typeAt = fields.indexOf("type");
  const counts = types[typeAt].map((name) => COUNTED.includes(name));
  let found = 0;
  for (let at = 0; at < nodes.length; at += fields.length) if (counts[nodes[at + typeAt]]) found += 1;
  return found;
}

const MOST_FAILURES = 100;
const COUNTED = ["object", "closure", "array", "string", "concatenated string", "sliced string", "native"];

function createApp(library, settings, held) {
  const { routers, failures } = held;
  const { choosePortalAuth, inspector, portalAuth, portalErrors, portalProxy, requireAuth } = library;
  const {
    instances,
    expressMajor = 5,
    ownSession,
    parsers,
    trustProxy,
    leadsTo,
    handsOnQueries,
    tenants,
  } = settings;
  const express = expressMajor === 4 ? express4 : express5;
  const app = express();
  if (trustProxy) app.set("trust proxy", true);
  if (ownSession) app.use(session({ resave: false, saveUninitialized: false, ...ownSession }));
  if (settings.cookieParser) app.use(cookieParser());
  if (parsers) app.use(express.json(), express.text(), express.urlencoded({ extended: true }));
  for (const { mount, options } of instances) {
    const hooks = {
      onError: (error) => void remember(failures, inspect(error, { depth: 10 })),
      ...(leadsTo !== undefined && {
        onLogin: (context) => void Object.assign(context, { returnTo: leadsTo }),
      }),
    };
    const careless = handsOnQueries && { authorizationParams: (req) => req.query };
    const logger = settings.ownLogger && LOGGER;
    const renderPage = RENDERERS[settings.renders];
    const router = portalAuth({ ...options, ...careless, hooks, logger, renderPage });
    routers.push(router);
    if (tenants) continue;
    app.use(mount, router);
    addRoutes(app, mount === "/" ? "" : mount, options.name, requireAuth);
  }
  if (tenants) {
    app.use(choosePortalAuth((req) => routers[new Map(Object.entries(tenants)).get(req.hostname)]));
    addRoutes(app, "", undefined, requireAuth);
  }
  if (settings.upstream) app.use(portalProxy("/api", settings.upstream));
  const inspecting = inspector();
  routers.push(inspecting);
  held.inspecting = inspecting;
  app.use("/portal-inspector", inspecting);
  if (settings.guardAll) app.use(requireAuth(), (req, res) => void res.json({ at: req.originalUrl }));
  app.use(portalErrors());
  app.use(silently);
  return app;
}

/** Writes like a console, the fields after the message included. */
const write = (fields, line) => console.log(`[express-portal-auth] ${line} ${JSON.stringify(fields)}`);
const LOGGER = { warn: write, error: write, debug: write };

/** Templates of an application for its own pages, all of them broken. */
const RENDERERS = {
  throws: () => {
    throw new Error("no such template");
  },
  rejects: () => Promise.reject(new Error("no such template")),
  "a number": () => 42,
  "all that it is given": (page) => `<pre>${JSON.stringify(page).replaceAll("<", "&lt;")}</pre>`,
};

function remember(failures, text) {
  if (failures.push(text) > MOST_FAILURES) failures.shift();
}

/** Freezes an object as libraries do it, and ignores what cannot be changed. */
function merge(into, from) {
  for (const [name, value] of Object.entries(from))
    if (typeof value === "object" && typeof into[name] === "object") merge(into[name], value);
    else Reflect.set(into, name, value);
}

/** For Express 4, which ignores the rejection of a handler. */
/** The requested features of the apps, for all applications of this process. */
const orders = [];

const handing = (handler) => (req, res, next) => handler(req, res).catch(next);

/** The routes of the app, for the router with this name if it has one. */
function addRoutes(app, base, name, requireAuth) {
  const portalOf = (req) => (name === undefined ? req.portal : req.portals[name]);
  const sessionOf = (req) => (name === undefined ? req.session : req.portals[name].session);
  app.get(`${base}/`, (_req, res) => void res.send("home"));
  app.get(
    `${base}/account`,
    requireAuth({ portal: name }),
    (req, res) => void res.json({ sub: portalOf(req).claims.sub }),
  );
  app.get(`${base}/me`, (req, res) => {
    const { isAuthenticated, claims } = portalOf(req);
    res.json({ isAuthenticated, claims });
  });
  // what a careless app does with claims
  app.get(
    `${base}/merged-claims`,
    (req, res) => void res.json({ isAdmin: Object.assign({}, portalOf(req).claims).isAdmin }),
  );
  // what an app does that lets users fill its session
  app.post(`${base}/assign`, express5.urlencoded(), (req, res) => {
    Object.assign(sessionOf(req), JSON.parse(req.body.members));
    res.end();
  });
  app.post(`${base}/merge`, express5.urlencoded(), (req, res) => {
    merge(sessionOf(req), JSON.parse(req.body.members));
    res.json({ sub: portalOf(req).claims?.sub });
  });
  // what its guards require
  const say = (_req, res) => void res.send("in");
  const demands = {
    strong: { acr: "mfa" },
    young: { maxAge: 60 },
    admins: { roles: "admin" },
    granted: { scope: "orders" },
    sales: { claims: { department: "sales", level: [2, 3] } },
    own: { csrf: true },
  };
  for (const [path, demand] of Object.entries(demands))
    app.all(`${base}/${path}`, requireAuth({ portal: name, ...demand }), say);
  // what it does with forms; the last one is shown
  app.post(
    `${base}/order`,
    requireAuth({ portal: name, keepForm: true }),
    express5.urlencoded(),
    (req, res) => {
      orders.push({ sub: portalOf(req).claims.sub, ...req.body });
      res.json({ ordered: req.body });
    },
  );
  app.get(`${base}/orders`, (_req, res) => void res.json(orders.splice(0)));
  app.get(
    `${base}/sessions`,
    handing(async (req, res) => void res.json(await portalOf(req).sessions())),
  );
  app.post(
    `${base}/end`,
    express5.urlencoded(),
    handing(async (req, res) => void res.json({ ended: await portalOf(req).endSession(req.body.id) })),
  );
  app.post(`${base}/leave`, (req) => portalOf(req).logout({ everywhere: true }));
  app.get(`${base}/note`, (req, res) => void res.json({ note: sessionOf(req).note }));
  // what an app does that trusts URLs in a query
  app.get(`${base}/wish`, (req) => portalOf(req).login({ returnTo: req.query.to }));
  app.get(
    `${base}/guarded-wish`,
    requireAuth({ portal: name, returnTo: (req) => req.query.to }),
    (_req, res) => void res.send("in"),
  );
  app.get(
    `${base}/fetched`,
    handing(async (req, res) => void res.json({ status: (await portalOf(req).fetch(req.query.to)).status })),
  );
  app.get(
    `${base}/userinfo`,
    handing(async (req, res) => void res.json(await portalOf(req).userinfo())),
  );
  app.get(
    `${base}/token`,
    handing(async (req, res) => void res.json({ ok: (await portalOf(req).accessToken()) !== "" })),
  );
}

/** Express would print the app's error, and that line is not ours. */
function silently(error, _req, res, next) {
  if (res.headersSent) return next(error);
  const { status = 500, code } = error;
  res.status(status).json({ status, code });
}
