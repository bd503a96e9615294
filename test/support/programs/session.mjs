import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import expressSession from "express-session";

const SECRET = "the-secret-of-a-session-that-the-app-mounts";

/** What has been opened, and how it is closed. */
const closers = [];

/** Closes the connections of one app's stores and locks. */
export const closeAll = () => Promise.all(closers.splice(0).map((close) => close()));

const STORES = {
  memory: () => undefined, // express-session's own
  "connect-redis": connectRedis,
  "connect-pg-simple": connectPgSimple,
  another: anotherStore,
};

/** The app's own express-session, as READMEs show it. */
export async function sessionMiddleware({ kind, url, maxAge, lock: _, ...others }) {
  const store = await STORES[kind](url);
  const cookie = { httpOnly: true, sameSite: "lax", maxAge };
  return expressSession({ secret: SECRET, resave: false, saveUninitialized: false, ...others, store, cookie });
}

/** The lock that goes with another kind of store: one Redis key, held for five seconds at most, or refused at once. */
export async function lockOf({ url, lock }) {
  if (lock === undefined) return undefined;
  if (lock === "down") return () => Promise.reject(new Error("the lock's service is down"));
  const client = await redisClient(url);
  return async (name, work) => {
    const mine = randomUUID();
    while ((await client.set(`lock:${name}`, mine, { NX: true, PX: 5000 })) === null) await setTimeout(5);
    try {
      return await work();
    } finally {
      if ((await client.get(`lock:${name}`)) === mine) await client.del(`lock:${name}`);
    }
  };
}

async function redisClient(url) {
  const { createClient } = await import("redis");
  const client = createClient({ url });
  client.on("error", (error) => console.error("the app's Redis:", error.message)); // or the process would end
  await client.connect();
  closers.push(() => client.destroy());
  return client;
}

async function connectRedis(url) {
  const { RedisStore } = await import("connect-redis");
  return new RedisStore({ client: await redisClient(url) });
}

const FAR_MS = 20;

/** A store as many are: it is a while away, what it reads and writes are two things, and anybody may come in between. */
async function anotherStore(url) {
  const client = await redisClient(url);
  const answer = (work, done = () => {}) =>
    void work.then(
      (value) => done(null, value),
      (error) => done(error),
    );
  class DocumentStore extends expressSession.Store {
    get(id, done) {
      answer(
        client.get(`document:${id}`).then((text) => setTimeout(FAR_MS, text && JSON.parse(text))),
        done,
      );
    }
    set(id, data, done) {
      answer(client.set(`document:${id}`, JSON.stringify(data)), done);
    }
    destroy(id, done) {
      answer(client.del(`document:${id}`), done);
    }
    touch(_id, _data, done) {
      done?.();
    }
  }
  return new DocumentStore();
}

async function connectPgSimple(conString) {
  const { default: connect } = await import("connect-pg-simple");
  const errorLog = (...words) => console.error("the app's PostgreSQL:", ...words.map((word) => word?.message ?? word));
  const store = new (connect(expressSession))({ conString, createTableIfMissing: true, errorLog });
  // its first query creates the table, and two processes must not do so at once
  await new Promise((resolve, reject) => store.get("nobody's", (error) => (error ? reject(error) : resolve())));
  closers.push(() => store.close());
  return store;
}
