import { setTimeout } from "node:timers/promises";
import expressSession from "express-session";
import { createStore } from "../../../dist/index.js";

const SECRET = "the-secret-of-a-session-that-the-app-mounts";

/** Functions that close the opened connections. */
const closers = [];

/** Closes the connections of one app's stores. */
export const closeAll = () => Promise.all(closers.splice(0).map((close) => close()));

const STORES = {
  memory: () => undefined, // the default of express-session
  "connect-redis": connectRedis,
  "connect-pg-simple": connectPgSimple,
  another: anotherStore,
  createStore: storeOfOurs,
};

/** Creates the app's own express-session, as READMEs show it. */
export async function sessionMiddleware({ kind, url, maxAge, ...others }) {
  const store = await STORES[kind](url);
  const cookie = { httpOnly: true, sameSite: "lax", maxAge };
  return expressSession({
    secret: SECRET,
    resave: false,
    saveUninitialized: false,
    ...others,
    store,
    cookie,
  });
}

async function redisClient(url) {
  const { createClient } = await import("redis");
  const client = createClient({ url });
  // Without a listener the process would end.
  client.on("error", (error) => console.error("the app's Redis:", error.message));
  await client.connect();
  closers.push(() => client.destroy());
  return client;
}

async function connectRedis(url) {
  const { RedisStore } = await import("connect-redis");
  return new RedisStore({ client: await redisClient(url) });
}

/** The package's own session store, for an application's express-session. */
function storeOfOurs(url) {
  const store = createStore(url);
  closers.push(() => store.close());
  return store;
}

const FAR_MS = 20;

/** A slow store without atomic changes: other requests can write between its read and its write. */
async function anotherStore(url) {
  const client = await redisClient(url);
  const callBack = (work, done = () => {}) =>
    void work.then(
      (value) => done(null, value),
      (error) => done(error),
    );
  class DocumentStore extends expressSession.Store {
    get(id, done) {
      callBack(
        client.get(`document:${id}`).then((text) => setTimeout(FAR_MS, text && JSON.parse(text))),
        done,
      );
    }
    set(id, data, done) {
      callBack(client.set(`document:${id}`, JSON.stringify(data)), done);
    }
    destroy(id, done) {
      callBack(client.del(`document:${id}`), done);
    }
    touch(_id, _data, done) {
      done?.();
    }
  }
  return new DocumentStore();
}

async function connectPgSimple(conString) {
  const { default: connect } = await import("connect-pg-simple");
  const errorLog = (...values) =>
    console.error("the app's PostgreSQL:", ...values.map((value) => value?.message ?? value));
  const store = new (connect(expressSession))({ conString, createTableIfMissing: true, errorLog });
  // The first query creates the table. Two processes must not do that at the same time.
  await new Promise((resolve, reject) =>
    store.get("nobody's", (error) => (error ? reject(error) : resolve())),
  );
  closers.push(() => store.close());
  return store;
}
