import expressSession from "express-session";

const SECRET = "the-secret-of-a-session-that-the-app-mounts";

const STORES = {
  memory: () => undefined, // express-session's own
  "connect-redis": connectRedis,
  "connect-pg-simple": connectPgSimple,
};

/** The app's own express-session, as READMEs show it. */
export async function sessionMiddleware({ kind, url, maxAge, ...others }) {
  const store = await STORES[kind](url);
  const cookie = { httpOnly: true, sameSite: "lax", maxAge };
  return expressSession({ secret: SECRET, resave: false, saveUninitialized: false, ...others, store, cookie });
}

async function connectRedis(url) {
  const [{ RedisStore }, { createClient }] = await Promise.all([import("connect-redis"), import("redis")]);
  const client = createClient({ url });
  client.on("error", (error) => console.error("the app's Redis:", error.message)); // or the process would end
  await client.connect();
  return new RedisStore({ client });
}

async function connectPgSimple(conString) {
  const { default: connect } = await import("connect-pg-simple");
  const errorLog = (...words) => console.error("the app's PostgreSQL:", ...words.map((word) => word?.message ?? word));
  const store = new (connect(expressSession))({ conString, createTableIfMissing: true, errorLog });
  // its first query creates the table, and two processes must not do so at once
  await new Promise((resolve, reject) => store.get("nobody's", (error) => (error ? reject(error) : resolve())));
  return store;
}
