import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { getHeapSnapshot } from "node:v8";
import express5 from "express";
import session from "express-session";
import express4 from "express4";

// The applications that are attacked, many in one process: what one of them does to the process all others notice.

/** @param library what the package exports */
export function createHost(library) {
  const servers = new Map();
  let last = 0;
  return {
    /** Listens, and serves nothing before begin(): the settings name the address. */
    async open() {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      last += 1;
      servers.set(last, { server, routers: [] });
      return { key: last, url: `http://127.0.0.1:${server.address().port}` };
    },
    begin({ key, settings }) {
      const { server, routers } = servers.get(key);
      server.on("request", createApp(library, settings, routers));
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
    ping: () => "alive",
  };
}

/**
 * How many objects, functions and texts are held after all that can be collected was. Counted and not weighed: code grows,
 * as V8 compiles more of it, and tables keep the room that they once needed.
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

const COUNTED = ["object", "closure", "array", "string", "concatenated string", "sliced string", "native"];

function createApp({ portalAuth, portalErrors, requireAuth }, settings, routers) {
  const { instances, expressMajor = 5, ownSession, parsers, trustProxy } = settings;
  const express = expressMajor === 4 ? express4 : express5;
  const app = express();
  if (trustProxy) app.set("trust proxy", true);
  if (ownSession) app.use(session({ resave: false, saveUninitialized: false, ...ownSession }));
  if (parsers) app.use(express.json(), express.text(), express.urlencoded({ extended: true }));
  for (const { mount, options } of instances) {
    const router = portalAuth(options);
    routers.push(router);
    app.use(mount, router);
    addRoutes(app, mount === "/" ? "" : mount, requireAuth);
  }
  if (settings.guardAll) app.use(requireAuth(), (req, res) => void res.json({ at: req.originalUrl }));
  app.use(portalErrors());
  app.use(silently);
  return app;
}

/** For Express 4, which does not notice that a handler rejects. */
const handing = (handler) => (req, res, next) => handler(req, res).catch(next);

function addRoutes(app, base, requireAuth) {
  app.get(`${base}/`, (_req, res) => void res.send("home"));
  app.get(`${base}/account`, requireAuth(), (req, res) => void res.json({ sub: req.portal.claims.sub }));
  app.get(`${base}/me`, (req, res) => {
    const { isAuthenticated, claims } = req.portal;
    res.json({ isAuthenticated, claims });
  });
  // what an app that is careless does with claims
  app.get(
    `${base}/merged-claims`,
    (req, res) => void res.json({ isAdmin: Object.assign({}, req.portal.claims).isAdmin }),
  );
  app.get(
    `${base}/userinfo`,
    handing(async (req, res) => void res.json(await req.portal.userinfo())),
  );
  app.get(
    `${base}/token`,
    handing(async (req, res) => void res.json({ ok: (await req.portal.accessToken()) !== "" })),
  );
}

/** Express would print what the app has thrown; that is no word of ours. */
function silently(error, _req, res, next) {
  if (res.headersSent) return next(error);
  const { status = 500, code } = error;
  res.status(status).json({ status, code });
}
